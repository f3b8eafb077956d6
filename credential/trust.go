package credential

import (
	"cmp"
	"crypto/ed25519"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"gated/credential/health"
	"gated/credential/keyfile"
)

// Trust is the set of issuers whose codes count. It never changes once loaded,
// so any number of lanes may use it at once. The zero Trust trusts nobody.
type Trust struct {
	pass   passTrust
	health health.Trust
}

// LoadTrust reads the trust directory: pass/ for resident passes, dcc/ for EU Digital
// COVID Certificates, shc/ for SMART Health Cards, each of which may be absent and
// then trusts nobody. A file that is not as it should be is an error that names it.
func LoadTrust(dir string) (*Trust, error) {
	t, err := ParseTrust(ReadTrust(dir))
	return t, keyfile.In(dir, err)
}

var passFiles = keyfile.Kind{Dir: "pass", Extensions: []string{".pub"}, Limit: keyfile.Limit}

// ReadTrust reads the files of the trust directory, and does not look into them.
func ReadTrust(dir string) keyfile.Files {
	return keyfile.ReadFiles(dir, append(health.Files(), passFiles)...)
}

// ParseTrust takes such files for the trust that they are; the first that is not as it should be is a [*keyfile.Faulty].
func ParseTrust(files keyfile.Files) (*Trust, error) {
	t := &Trust{}
	certificates, err := health.ParseTrust(files)
	if err = cmp.Or(t.pass.load(files), err); err != nil {
		return nil, err
	}
	t.health = *certificates
	return t, nil
}

// Issuers returns the names of the issuers whose passes are trusted, sorted.
func (t *Trust) Issuers() []string { return slices.Clone(t.pass.issuers) }

// passTrust is the set of issuers whose passes count.
type passTrust struct {
	// keys by KeyID as a string. An ID is only 8 bytes of a hash: several keys
	// may share it, by chance or malice, and all are tried.
	keys    map[string][]trustedKey
	issuers []string
}

type trustedKey struct {
	issuer string
	public ed25519.PublicKey
	visits bool // it signs passes of visits, and no others
}

// load takes in the public keys in pass/*.pub, each PEM blocks "PUBLIC KEY" (SPKI) of
// Ed25519. The file's name is the issuer's: longshan.pub speaks for iss "longshan"
// and nobody else. A file may hold several keys, as while an old one is being
// replaced.
func (t *passTrust) load(files keyfile.Files) error {
	t.keys = map[string][]trustedKey{}
	return files.Each(passFiles, func(name string, data []byte) error {
		issuer := strings.TrimSuffix(name, filepath.Ext(name))
		if err := validateIssuer(issuer); err != nil {
			return fmt.Errorf("the file's name is no issuer: %w", err)
		}
		public, err := parsePublicKeys(data)
		if err != nil {
			return err
		}
		for _, p := range public {
			id := KeyID(p)
			t.keys[string(id[:])] = append(t.keys[string(id[:])], trustedKey{issuer, p, false})
		}
		t.issuers = append(t.issuers, issuer)
		return nil
	})
}
