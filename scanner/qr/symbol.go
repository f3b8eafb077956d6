package qr

import (
	"github.com/makiuchi-d/gozxing"
	"github.com/makiuchi-d/gozxing/common/reedsolomon"
	"github.com/makiuchi-d/gozxing/qrcode/decoder"
)

// symbol reads the modules of a symbol (ISO/IEC 18004, 12): format, version, error correction, text. A mirrored symbol is
// one whose rows are another's columns. gozxing's decoder package has the steps; its DecodedBitStreamParser is not used,
// as it guesses at character sets and refuses those that it does not know.
func symbol(bits *gozxing.BitMatrix) (payload, bool) {
	p, err := decoder.NewBitMatrixParser(bits)
	if err != nil {
		return payload{}, false
	}
	if data, version, ok := codewords(p); ok {
		return parse(data, version)
	}
	p.Remask() // codewords took the mask off
	p.SetMirror(true)
	if _, err := p.ReadVersion(); err != nil {
		return payload{}, false
	}
	if _, err := p.ReadFormatInformation(); err != nil {
		return payload{}, false
	}
	p.Mirror()
	if data, version, ok := codewords(p); ok {
		return parse(data, version)
	}
	return payload{}, false
}

// codewords is the symbol's data, errors corrected.
func codewords(p *decoder.BitMatrixParser) (data []byte, version int, ok bool) {
	v, err := p.ReadVersion()
	if err != nil {
		return nil, 0, false
	}
	format, err := p.ReadFormatInformation()
	if err != nil {
		return nil, 0, false
	}
	words, err := p.ReadCodewords()
	if err != nil {
		return nil, 0, false
	}
	blocks, err := decoder.DataBlock_GetDataBlocks(words, v, format.GetErrorCorrectionLevel())
	if err != nil {
		return nil, 0, false
	}
	rs := reedsolomon.NewReedSolomonDecoder(reedsolomon.GenericGF_QR_CODE_FIELD_256)
	var ints []int
	for _, block := range blocks {
		words, n := block.GetCodewords(), block.GetNumDataCodewords()
		ints = ints[:0]
		for _, w := range words {
			ints = append(ints, int(w))
		}
		if err := rs.Decode(ints, len(words)-n); err != nil {
			return nil, 0, false
		}
		for _, w := range ints[:n] {
			data = append(data, byte(w))
		}
	}
	return data, v.GetVersionNumber(), true
}
