package access

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"strings"

	"golang.org/x/crypto/argon2"
)

// How secrets are hashed: argon2id by RFC 9106 with the least that OWASP's Password Storage Cheat Sheet takes, 19 MiB and two passes on
// one thread, since a box has little of both. The text stands in front of each hash, in the PHC string format. Only these numbers are
// taken: in a damaged file others could ask for all the memory that there is.
const (
	parameters = "$argon2id$v=19$m=19456,t=2,p=1$"
	passes     = 2
	memory     = 19456 // KiB
	threads    = 1
	saltBytes  = 16
	keyBytes   = 32
)

var coding = base64.RawStdEncoding.Strict()

// hash makes the hash of a secret, with a salt of its own.
func hash(secret string) string {
	salt := make([]byte, saltBytes)
	rand.Read(salt)
	return parameters + coding.EncodeToString(salt) + "$" + coding.EncodeToString(key(secret, salt))
}

// fits tells whether a hash is that of a secret. It takes as long where there is none.
func fits(hash, secret string) bool {
	salt, want, ok := split(hash)
	if !ok {
		salt, want = make([]byte, saltBytes), make([]byte, keyBytes)
	}
	return subtle.ConstantTimeCompare(key(secret, salt), want) == 1 && ok
}

func key(secret string, salt []byte) []byte {
	return argon2.IDKey([]byte(secret), salt, passes, memory, threads, keyBytes)
}

// split takes a hash apart.
func split(hash string) (salt, key []byte, ok bool) {
	rest, ok := strings.CutPrefix(hash, parameters)
	first, second, both := strings.Cut(rest, "$")
	salt, serr := coding.DecodeString(first)
	key, kerr := coding.DecodeString(second)
	return salt, key, ok && both && serr == nil && kerr == nil && len(salt) == saltBytes && len(key) == keyBytes
}

// Tokens of programs are random, so that a plain hash hides them, and costs no passage any time.
const (
	tokenBegins = "gated_" // by which scanners for leaked secrets find them
	tokenHashed = "$sha256$"
)

// NewToken makes the token of a program.
func NewToken() string { return tokenBegins + random() }

func isToken(s string) bool { return len(s) == len(NewToken()) && strings.HasPrefix(s, tokenBegins) }

func tokenHash(token string) string {
	sum := sha256.Sum256([]byte(token))
	return tokenHashed + coding.EncodeToString(sum[:])
}

// random is 32 random bytes, in characters that a cookie or a header takes.
func random() string {
	b := make([]byte, 32)
	rand.Read(b)
	return base64.RawURLEncoding.EncodeToString(b)
}
