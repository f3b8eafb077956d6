package credential

import (
	"bytes"
	"crypto/ed25519"

	"github.com/fxamacker/cbor/v2"
)

// COSE_Sign1 (RFC 9052, section 4.2), as much of it as a pass needs. Libraries
// take the algorithm from the message or read headers that nobody signed; here
// both are excluded by construction.

// algEdDSA is the algorithm of every key trusted so far (RFC 9053, section 2.2).
const algEdDSA = -8

// tagSign1 is the first byte of a tagged COSE_Sign1: CBOR tag 18.
const tagSign1 = 0xd2

// strict reads plain CBOR only, from anybody: each map key once and of integer
// or text type where it is a label, lengths known, no tags, text in valid UTF-8,
// little nesting. What it read must be what deterministic writes, so that a pass has one text.
var strict = must(cbor.DecOptions{
	DupMapKey:         cbor.DupMapKeyEnforcedAPF,
	IndefLength:       cbor.IndefLengthForbidden,
	TagsMd:            cbor.TagsForbidden,
	UTF8:              cbor.UTF8RejectInvalid,
	NaN:               cbor.NaNDecodeForbidden,
	Inf:               cbor.InfDecodeForbidden,
	FieldNameMatching: cbor.FieldNameMatchingCaseSensitive,
	MaxNestedLevels:   8,
	MaxArrayElements:  64,
	MaxMapPairs:       64,
}.DecMode())

// deterministic writes each value in one way only (RFC 8949, section 4.2.1).
var deterministic = must(cbor.CoreDetEncOptions().EncMode())

// must is for what cannot fail by anything read from outside: our own options,
// and writing our own structs.
func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// sign1 is the message. Its byte strings are cbor.ByteString because the library
// would read an array of numbers into a []byte just as well.
type sign1 struct {
	_           struct{} `cbor:",toarray"`
	Protected   cbor.ByteString
	Unprotected map[any]any
	Payload     cbor.ByteString
	Signature   cbor.ByteString
}

// header is the protected header.
type header struct {
	Algorithm int64           `cbor:"1,keyasint,omitempty"`
	KeyID     cbor.ByteString `cbor:"4,keyasint,omitempty"`
}

// parseSign1 reads a message just as encode writes it. The reason is empty if
// it could be read. Nothing may stand in the unprotected header: it is not
// signed, and so the same pass cannot be dressed up as another code.
func parseSign1(data []byte) (m sign1, h header, reason string) {
	untagged, tagged := bytes.CutPrefix(data, []byte{tagSign1})
	if strict.Wellformed(untagged) != nil {
		return m, h, ReasonBadCBOR
	}
	if !tagged || strict.Unmarshal(untagged, &m) != nil || m.Unprotected == nil || len(m.Unprotected) > 0 ||
		!bytes.Equal(data, m.encode()) ||
		strict.Unmarshal([]byte(m.Protected), &h) != nil || m.Protected != cbor.ByteString(must(deterministic.Marshal(h))) {
		return sign1{}, header{}, ReasonBadCOSE
	}
	return m, h, ""
}

// encode writes the message with its tag.
func (m sign1) encode() []byte {
	return append([]byte{tagSign1}, must(deterministic.Marshal(m))...)
}

// toBeSigned returns the Sig_structure (RFC 9052, section 4.4) over the
// protected header and payload as they were received, byte for byte.
func (m sign1) toBeSigned() []byte {
	return must(deterministic.Marshal([]any{"Signature1", m.Protected, cbor.ByteString(""), m.Payload}))
}

// sign returns the message over payload.
func sign(key ed25519.PrivateKey, payload []byte) []byte {
	id := KeyID(key.Public().(ed25519.PublicKey))
	m := sign1{
		Protected:   cbor.ByteString(must(deterministic.Marshal(header{algEdDSA, cbor.ByteString(id[:])}))),
		Unprotected: map[any]any{},
		Payload:     cbor.ByteString(payload),
	}
	m.Signature = cbor.ByteString(ed25519.Sign(key, m.toBeSigned()))
	return m.encode()
}
