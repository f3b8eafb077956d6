package health

import (
	"cmp"
	"crypto/ecdsa"
	"crypto/elliptic"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"gated/credential/keyfile"
)

// shcSigner names a key of an issuer. A kid alone does not: of the 900 in the public
// directory 46 belong to several issuers, one to 161.
type shcSigner struct{ issuer, keyID string }

// shcTrust is the set of issuers whose health cards count.
type shcTrust struct {
	keys    map[shcSigner][]*ecdsa.PublicKey
	keyIDs  map[string]bool                     // of all keys; never to verify by
	revoked map[shcSigner]map[string]revocation // by rid
}

// revocation of the cards that an rid stands on: those from before a moment, or all
// where it is zero.
type revocation struct{ before time.Time }

// isRevoked goes by the specification: "Reject the Health Card if the calculated rid is
// contained in the CRL's rids array and (if a timestamp suffix is present) the Health
// Card's nbf is value is before the timestamp." A card without an rid cannot be revoked.
func (t *shcTrust) isRevoked(signer shcSigner, rid string, notBefore time.Time) bool {
	r, ok := t.revoked[signer][rid]
	return ok && (r.before.IsZero() || notBefore.Before(r.before))
}

// shcFile is a file in shc/: the keys of one issuer, or a snapshot of the VCI directory.
type shcFile struct {
	Issuer string            `json:"issuer"`
	Keys   []json.RawMessage `json:"keys"`

	IssuerInfo []struct {
		Issuer struct {
			URL string `json:"iss"`
		} `json:"issuer"`
		Keys []json.RawMessage `json:"keys"`
		CRLs []json.RawMessage `json:"crls"`
	} `json:"issuerInfo"`
}

// shcCRL is a card revocation list, and in shc/crl/ whose it is.
type shcCRL struct {
	Issuer string   `json:"issuer"`
	KeyID  string   `json:"kid"`
	Method string   `json:"method"`
	RIDs   []string `json:"rids"`
}

// load takes in the keys in shc/*.json and the revocation lists in shc/crl/*.json.
//
// A file of keys is either a JWK set (RFC 7517, section 5) with the issuer's URL,
//
//	{"issuer":"https://example.org/cards","keys":[{"kty":"EC","kid":…},…]}
//
// which is what lies at the issuer's URL + /.well-known/jwks.json with one member more;
// or vci_snapshot.json of the VCI directory as it is, with the revocation lists
// in it. Its signature is for whoever copies it to the box to verify.
//
// Keys other than ES256 signing keys on P-256 are passed over, as RFC 7517 wants it. A
// faulty key, issuer or list in a file of one issuer is an error; in the snapshot, the work
// of 651 strangers, it is left out, and the rest counts.
//
// A revocation list lies at the issuer's URL + /.well-known/crl/KID.json and does
// not say whose it is. Here it gets one member more, too:
//
//	{"issuer":"https://example.org/cards","kid":…,"method":"rid","ctr":1,"rids":[…]}
func (t *shcTrust) load(files keyfile.Files) error {
	t.keys = map[shcSigner][]*ecdsa.PublicKey{}
	t.keyIDs = map[string]bool{}
	t.revoked = map[shcSigner]map[string]revocation{}
	return cmp.Or(files.Each(shcFiles, t.addKeys), files.Each(crlFiles, t.addList))
}

// shcFileLimit is the largest file that is read, in bytes: the snapshot of the VCI directory, the work of 651 issuers, has one
// and a half million.
const shcFileLimit = 64 << 20

func (t *shcTrust) addKeys(_ string, data []byte) error {
	var f shcFile
	if err := json.Unmarshal(data, &f); err != nil {
		return err
	}
	taken := 0
	switch {
	case f.IssuerInfo != nil && f.Keys == nil:
		for _, info := range f.IssuerInfo {
			if validateSHCIssuer(info.Issuer.URL) != nil {
				continue
			}
			for _, raw := range info.Keys {
				if ok, err := t.addKey(info.Issuer.URL, raw); ok && err == nil {
					taken++
				}
			}
			for _, raw := range info.CRLs {
				var list shcCRL
				if json.Unmarshal(raw, &list) == nil && list.Method == revokeByRID {
					t.revoke(shcSigner{info.Issuer.URL, list.KeyID}, list.RIDs)
				}
			}
		}
	case f.Keys != nil && f.IssuerInfo == nil:
		if err := validateSHCIssuer(f.Issuer); err != nil {
			return err
		}
		for i, raw := range f.Keys {
			ok, err := t.addKey(f.Issuer, raw)
			if err != nil {
				return fmt.Errorf("key %d: %w", i+1, err)
			}
			if ok {
				taken++
			}
		}
	default:
		return errors.New(`want {"issuer":"https://…","keys":[…]}, or the VCI directory's snapshot`)
	}
	if taken == 0 {
		return errors.New("holds no ES256 signing key on P-256")
	}
	return nil
}

// validateSHCIssuer: the URL "SHALL use the https scheme and SHALL NOT include a trailing /".
func validateSHCIssuer(issuer string) error {
	u, err := url.Parse(issuer)
	if !plainURL(issuer) || err != nil || u.Scheme != "https" || u.Host == "" || strings.HasSuffix(issuer, "/") {
		return fmt.Errorf("issuer %q: want an https URL of at most %d characters without a slash at its end", issuer, shcIssuer)
	}
	return nil
}

// addKey reports whether the key is of the kind that signs health cards.
func (t *shcTrust) addKey(issuer string, raw []byte) (bool, error) {
	var k struct {
		Type      string  `json:"kty"`
		Curve     string  `json:"crv"`
		Use       string  `json:"use"`
		Algorithm string  `json:"alg"`
		ID        string  `json:"kid"`
		X         string  `json:"x"`
		Y         string  `json:"y"`
		D         *string `json:"d"`
	}
	if err := json.Unmarshal(raw, &k); err != nil {
		return false, err
	}
	switch {
	case k.D != nil:
		return false, fmt.Errorf("%s is a private key: whoever has read this file can issue cards", k.ID)
	case k.Type != "EC" || k.Curve != "P-256" || k.Use != "" && k.Use != "sig" || k.Algorithm != "" && k.Algorithm != "ES256":
		return false, nil
	case k.ID == "":
		return false, errors.New("has no kid")
	}
	// That the kid is the key's thumbprint is the issuer's affair: it is only a name.
	x, err1 := base64.RawURLEncoding.DecodeString(k.X)
	y, err2 := base64.RawURLEncoding.DecodeString(k.Y)
	if err1 != nil || err2 != nil || len(x) > 32 || len(y) > 32 {
		return false, fmt.Errorf("%s: x and y are no coordinates on P-256", k.ID)
	}
	// RFC 7518, section 6.2.1.2, wants 32 bytes each, but two issuers of the directory leave
	// out a leading zero. The curve tells whether that is what is missing.
	point := make([]byte, 65)
	point[0] = 4 // uncompressed (SEC 1, section 2.3.3)
	copy(point[33-len(x):], x)
	copy(point[65-len(y):], y)
	key, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), point)
	if err != nil {
		return false, fmt.Errorf("%s: x and y are no point on P-256", k.ID)
	}
	signer := shcSigner{issuer, k.ID}
	if !slices.ContainsFunc(t.keys[signer], func(other *ecdsa.PublicKey) bool { return other.Equal(key) }) {
		t.keys[signer] = append(t.keys[signer], key)
	}
	t.keyIDs[k.ID] = true
	return true, nil
}

// revokeByRID is the only method that the specification defines.
const revokeByRID = "rid"

func (t *shcTrust) addList(_ string, data []byte) error {
	var list shcCRL
	if err := json.Unmarshal(data, &list); err != nil {
		return err
	}
	if list.Method != revokeByRID {
		return fmt.Errorf("method %q: want %q", list.Method, revokeByRID)
	}
	signer := shcSigner{list.Issuer, list.KeyID}
	if len(t.keys[signer]) == 0 {
		// Mistyped, it would revoke nothing, and nobody would notice.
		return fmt.Errorf("issuer %q has no trusted key with kid %q", list.Issuer, list.KeyID)
	}
	return t.revoke(signer, list.RIDs)
}

// revoke adds a list. It goes on after a faulty entry and returns the first.
func (t *shcTrust) revoke(signer shcSigner, rids []string) (first error) {
	list := t.revoked[signer]
	if list == nil {
		list = make(map[string]revocation, len(rids))
		t.revoked[signer] = list
	}
	for i, entry := range rids {
		rid, stamp, timed := strings.Cut(entry, ".")
		var r revocation
		var err error
		if timed {
			r.before, err = revocationTime(stamp)
		}
		if !validRevocation(rid) {
			err = fmt.Errorf("want 1 to %d characters of base64url", shcRevocation)
		}
		if err != nil {
			if first == nil {
				first = fmt.Errorf("rids[%d]: %w", i, err)
			}
			continue
		}
		// Of several entries for one rid the one that revokes most counts.
		if old, ok := list[rid]; ok && (old.before.IsZero() || !r.before.IsZero() && r.before.Before(old.before)) {
			continue
		}
		list[rid] = r
	}
	return first
}

// revocationTime reads what follows an rid after a dot: "the number of seconds from
// 1970-01-01T00:00:00Z UTC, as specified by RFC7519".
func revocationTime(stamp string) (time.Time, error) {
	seconds, err := strconv.ParseFloat(stamp, 64)
	t, ok := numericDate(seconds)
	if err != nil || !ok || strings.Trim(stamp, "0123456789.") != "" {
		return time.Time{}, errors.New("the timestamp after the dot is no number of seconds since 1970")
	}
	return t, nil
}
