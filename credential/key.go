package credential

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"

	"gated/credential/keyfile"
	"gated/durable"
)

const (
	privateBlock = "PRIVATE KEY" // PKCS #8 (RFC 7468, section 10)
	publicBlock  = "PUBLIC KEY"  // SubjectPublicKeyInfo (RFC 7468, section 13)
)

// NewKey makes an issuer's key.
func NewKey() ed25519.PrivateKey {
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		panic(err) // crypto/rand ends the process before it fails
	}
	return key
}

// MakeKey makes an issuer's key and writes it to path, and its public half to path.pub.
func MakeKey(path string) error {
	key := NewKey()
	if err := WritePrivateKey(path, key); err != nil {
		return err
	}
	return WritePublicKey(path+".pub", key.Public().(ed25519.PublicKey))
}

// KeyID is what a pass calls its signer's key: the first 8 bytes of SHA-256 over
// the SubjectPublicKeyInfo in DER.
func KeyID(public ed25519.PublicKey) (id [8]byte) {
	sum := sha256.Sum256(must(x509.MarshalPKIXPublicKey(public)))
	copy(id[:], sum[:])
	return id
}

// MarshalPublicKey returns the key as a trusted file holds it: PEM, SPKI.
func MarshalPublicKey(public ed25519.PublicKey) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: publicBlock, Bytes: must(x509.MarshalPKIXPublicKey(public))})
}

// WritePublicKey writes what [MarshalPublicKey] returns to a new file that all
// may read. It never replaces a file.
func WritePublicKey(path string, public ed25519.PublicKey) error {
	if err := durable.Create(path, MarshalPublicKey(public), 0o644); err != nil {
		return fmt.Errorf("write public key: %w", err)
	}
	return nil
}

// WritePrivateKey writes the key as PEM, PKCS #8, to a new file of mode 0600.
// It never replaces a file: an overwritten key takes every pass with it.
func WritePrivateKey(path string, key ed25519.PrivateKey) error {
	der := must(x509.MarshalPKCS8PrivateKey(key))
	if err := durable.Create(path, pem.EncodeToMemory(&pem.Block{Type: privateBlock, Bytes: der}), 0o600); err != nil {
		return fmt.Errorf("write private key: %w", err)
	}
	return nil
}

// ReadPrivateKey reads an Ed25519 key from PEM, PKCS #8, such as
// [WritePrivateKey] or `openssl genpkey -algorithm ed25519` writes. A file that
// others than its owner may read is refused: who has the key can issue passes.
func ReadPrivateKey(path string) (ed25519.PrivateKey, error) {
	data, mode, err := keyfile.Read(path, keyfile.Limit)
	if err != nil {
		return nil, fmt.Errorf("read private key: %w", err)
	}
	if mode.Perm()&0o077 != 0 {
		return nil, fmt.Errorf("private key %s is open to others than its owner (mode %04o): type chmod 600 %[1]s", path, mode.Perm())
	}
	block, rest := pem.Decode(data)
	if block == nil || block.Type != privateBlock || len(bytes.TrimSpace(rest)) > 0 {
		return nil, fmt.Errorf("private key %s: want one PEM block %q (PKCS #8)", path, privateBlock)
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("private key %s: %w", path, err)
	}
	ed, ok := key.(ed25519.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("private key %s is %T: passes are signed with Ed25519", path, key)
	}
	return ed, nil
}

// parsePublicKeys reads one or more PEM blocks and nothing else.
func parsePublicKeys(data []byte) (keys []ed25519.PublicKey, err error) {
	for len(bytes.TrimSpace(data)) > 0 {
		block, rest := pem.Decode(data)
		if block == nil {
			return nil, fmt.Errorf("want PEM blocks %q (SPKI) and nothing else", publicBlock)
		}
		if block.Type == privateBlock {
			return nil, errors.New("this is a private key: keep it off this box, and put the public key here")
		}
		if block.Type != publicBlock {
			return nil, fmt.Errorf("PEM block %q: want %q (SPKI)", block.Type, publicBlock)
		}
		key, err := x509.ParsePKIXPublicKey(block.Bytes)
		if err != nil {
			return nil, err
		}
		ed, ok := key.(ed25519.PublicKey)
		if !ok {
			return nil, fmt.Errorf("the key is %T: passes are signed with Ed25519", key)
		}
		keys = append(keys, ed)
		data = rest
	}
	if len(keys) == 0 {
		return nil, errors.New("the file is empty")
	}
	return keys, nil
}
