package credential

import (
	"strings"
	"unicode"
)

// plateProvinces are the abbreviations that a plate begins with: 31, one for each
// province, autonomous region and municipality (GA 36-2018). Taiwan, Hong Kong and Macau
// have none; vehicles of the latter two that may drive on the mainland have a plate of
// Guangdong, 粤Z.
const plateProvinces = "京津冀晋蒙辽吉黑沪苏浙皖闽赣鲁豫鄂湘粤桂琼渝川贵云藏陕甘青宁新"

// What stands in a place of a plate.
const (
	plateDigit  = "0123456789"
	plateLetter = "ABCDEFGHJKLMNPQRSTUVWXYZ" // neither I nor O, which look like 1 and 0
	plateSerial = plateDigit + plateLetter
	plateOffice = plateLetter + "O" // of the issuing office; O was the provincial police's
	plateEnergy = "ABCDEFGHJK"      // A to E for electric vehicles, F to K for others of new energy
)

// plateShape is a layout: a string of characters for each place.
type plateShape struct {
	class  string
	places []string
}

// plateShapes are the layouts of GA 36-2018 and, where embassies and consulates still
// drive with them, of GA 36-2007. A plate fits one at most.
//
// Left out are those of the armed forces and the armed police, which follow rules of their
// own that are not public, and those on paper (试, 超, temporary ones).
var plateShapes = []plateShape{
	{PlateOrdinary, places(plateProvinces, plateOffice, plateSerial, plateSerial, plateSerial, plateSerial, plateSerial)},
	// New energy, small: the letter stands first; large: last.
	{PlateNewEnergy, places(plateProvinces, plateOffice, plateEnergy, plateSerial, plateDigit, plateDigit, plateDigit, plateDigit)},
	{PlateNewEnergy, places(plateProvinces, plateOffice, plateDigit, plateDigit, plateDigit, plateDigit, plateDigit, plateEnergy)},
	{PlatePolice, places(plateProvinces, plateOffice, plateSerial, plateSerial, plateSerial, plateSerial, "警")},
	{PlateTrainer, places(plateProvinces, plateOffice, plateSerial, plateSerial, plateSerial, plateSerial, "学")},
	{PlateTrailer, places(plateProvinces, plateOffice, plateSerial, plateSerial, plateSerial, plateSerial, "挂")},
	{PlateHongKong, places("粤", "Z", plateSerial, plateSerial, plateSerial, plateSerial, "港")},
	{PlateMacau, places("粤", "Z", plateSerial, plateSerial, plateSerial, plateSerial, "澳")},
	// The sending state's number and the vehicle's, three digits each; 使 used to stand first.
	{PlateEmbassy, places(plateDigit, plateDigit, plateDigit, plateDigit, plateDigit, plateDigit, "使")},
	{PlateEmbassy, places("使", plateDigit, plateDigit, plateDigit, plateDigit, plateDigit, plateDigit)},
	{PlateConsulate, places(plateProvinces, plateDigit, plateDigit, plateDigit, plateDigit, plateDigit, "领")},
	{PlateConsulate, places(plateProvinces, plateOffice, plateDigit, plateDigit, plateDigit, plateDigit, "领")},
	// 国办发〔2018〕114号: the province, the force (X fire and rescue, S forest fire; a digit on the
	// ministry's own vehicles), four characters, 应急. The notice does not close the list of
	// forces. On a motorcycle: 应急, the province, three characters, the force.
	{PlateEmergency, places(plateProvinces, plateSerial, plateSerial, plateSerial, plateSerial, plateSerial, "应", "急")},
	{PlateEmergency, places("应", "急", plateProvinces, plateSerial, plateSerial, plateSerial, plateLetter)},
}

func places(p ...string) []string { return p }

// checkPlate reports false for what is no licence plate.
func checkPlate(s string) (Claim, bool) {
	plate := foldPlate(s)
	for _, shape := range plateShapes {
		if shape.fits(plate) {
			return Claim{
				Kind: KindPlate, Valid: true, Reason: ReasonOK, Proof: Stated,
				Plate: string(plate), PlateClass: shape.class, Gaps: []string{GapIdentity},
			}, true
		}
	}
	return Claim{}, false
}

// foldPlate returns the plate as it is kept: half-width capitals, without the point or
// the spaces that people put between the office and the serial.
func foldPlate(s string) []rune {
	var plate []rune
	for _, r := range s {
		if '！' <= r && r <= '～' { // full-width forms of ASCII, in the same order
			r -= '！' - '!'
		}
		switch {
		case unicode.IsSpace(r) || strings.ContainsRune("·•・‧∙⋅●.-", r):
		case 'a' <= r && r <= 'z':
			plate = append(plate, r-'a'+'A')
		default:
			plate = append(plate, r)
		}
	}
	return plate
}

func (s plateShape) fits(plate []rune) bool {
	// 粤Z is for vehicles of Hong Kong and Macau alone.
	if s.class != PlateHongKong && s.class != PlateMacau && len(plate) > 1 && plate[0] == '粤' && plate[1] == 'Z' {
		return false
	}
	if len(plate) != len(s.places) {
		return false
	}
	for i, r := range plate {
		if !strings.ContainsRune(s.places[i], r) {
			return false
		}
	}
	return true
}
