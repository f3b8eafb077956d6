package serialport

import (
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// plainSerial is what a udev rule can be made of: no quotes, none of its wild cards.
var plainSerial = regexp.MustCompile(`^[A-Za-z0-9._:+-]+$`)

// UdevRule returns the lines of a rules file that give port p of ports the name /dev/NAME, whichever number the kernel
// gives it next time. They hold for the device where it has a serial number of its own, for the socket otherwise: most
// CH340 and PL2303 adapters have none, or all the same. Empty: udev knows neither.
func UdevRule(p Info, ports []Info, name string) string {
	var match string
	twins := 0 // with p itself
	for _, q := range ports {
		// Of a device with several ports each would match.
		if p.usb != "" && (q.VendorID == p.VendorID && q.ProductID == p.ProductID && q.Serial == p.Serial || q.usb == p.usb) {
			twins++
		}
	}
	switch {
	case twins == 1 && plainSerial.MatchString(p.Serial):
		match = `ATTRS{idVendor}=="` + p.VendorID + `", ATTRS{idProduct}=="` + p.ProductID + `", ATTRS{serial}=="` + p.Serial + `"`
	case p.IDPath != "" && plainSerial.MatchString(p.IDPath):
		match = `ENV{ID_PATH}=="` + p.IDPath + `"`
		shared := slices.ContainsFunc(ports, func(q Info) bool { return q.IDPath == p.IDPath && q.Path != p.Path })
		if shared && plainSerial.MatchString(p.number) {
			match += `, ATTRS{port_number}=="` + p.number + `"`
		}
	case p.usb == "" && strings.HasPrefix(p.Path, "/dev/tty"):
		match = `KERNEL=="` + filepath.Base(p.Path) + `"` // soldered to the board, its number with it
	default:
		return ""
	}
	var ignore string
	if p.usb != "" {
		ignore = `SUBSYSTEM=="usb", ENV{DEVTYPE}=="usb_device", ATTR{idVendor}=="` + p.VendorID + `", ATTR{idProduct}=="` + p.ProductID +
			`", ENV{ID_MM_DEVICE_IGNORE}="1"` + "\n"
	}
	return ignore + `SUBSYSTEM=="tty", ` + match + `, SYMLINK+="` + name +
		`", GROUP="dialout", MODE="0660", ENV{ID_MM_PORT_IGNORE}="1", TAG+="systemd"` + "\n"
}
