package serialport

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// box lays out the sys, dev, proc and run of a machine: "path: content" is a file, "path -> target" a link.
func box(t *testing.T, layout string) (root string) {
	t.Helper()
	root = t.TempDir()
	for l := range strings.Lines(layout) {
		l = strings.TrimSpace(l)
		var err error
		if path, target, ok := strings.Cut(l, " -> "); ok {
			path = filepath.Join(root, path)
			err = os.MkdirAll(filepath.Dir(path), 0o755)
			if err == nil {
				err = os.Symlink(target, path)
			}
		} else if path, content, ok := strings.Cut(l+" ", ": "); ok {
			path = filepath.Join(root, path)
			err = os.MkdirAll(filepath.Dir(path), 0o755)
			if err == nil {
				err = os.WriteFile(path, []byte(strings.ReplaceAll(strings.TrimSpace(content), `\n`, "\n")+"\n"), 0o644)
			}
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return root
}

// Two CH340 adapters that are the same in everything but the socket, a scanner that is a CDC-ACM device with a serial
// number, a UART that is there and serves as console, one on a newer kernel, one that is not there, and a virtual terminal.
const usualBox = `
sys/class/tty/tty0/dev: 4:0
sys/class/tty/console/active: tty0 ttyS0
sys/class/tty/ttyS0 -> ../../devices/pnp0/00:04/00:04:0/00:04:0.0/tty/ttyS0
sys/devices/pnp0/00:04/00:04:0/00:04:0.0/tty/ttyS0/dev: 4:64
sys/devices/pnp0/00:04/00:04:0/00:04:0.0/tty/ttyS0/type: 4
sys/devices/pnp0/00:04/00:04:0/00:04:0.0/tty/ttyS0/device -> ../../../00:04:0.0
sys/devices/pnp0/00:04/00:04:0/00:04:0.0/driver -> ../../../../../bus/serial-base/drivers/port
sys/devices/pnp0/00:04/00:04:0/00:04:0.0/subsystem -> ../../../../../bus/serial-base
sys/devices/pnp0/00:04/driver -> ../../../bus/pnp/drivers/serial
sys/devices/pnp0/00:04/subsystem -> ../../../bus/pnp
sys/class/tty/ttyS1/dev: 4:65
sys/class/tty/ttyS1/type: 0
sys/class/tty/ttyS1/device/uevent:
sys/class/tty/ttyS2/dev: 4:66
sys/class/tty/ttyS2/type: 4
sys/class/tty/ttyS2/device/driver -> ../../../../bus/platform/drivers/serial8250
sys/devices/usb/1-1/idVendor: 1a86
sys/devices/usb/1-1/idProduct: 7523
sys/devices/usb/1-1/product: USB Serial
sys/devices/usb/1-1/1-1:1.0/bInterfaceNumber: 00
sys/devices/usb/1-1/1-1:1.0/ttyUSB0/driver -> ../../../../../bus/usb-serial/drivers/ch341-uart
sys/devices/usb/1-1/1-1:1.0/ttyUSB0/port_number: 0
sys/devices/usb/1-1/1-1:1.0/ttyUSB0/tty/ttyUSB0/device -> ../../../ttyUSB0
sys/devices/usb/1-1/1-1:1.0/ttyUSB0/tty/ttyUSB0/dev: 188:0
sys/class/tty/ttyUSB0 -> ../../devices/usb/1-1/1-1:1.0/ttyUSB0/tty/ttyUSB0
sys/devices/usb/1-2/idVendor: 1a86
sys/devices/usb/1-2/idProduct: 7523
sys/devices/usb/1-2/product: USB Serial
sys/devices/usb/1-2/1-2:1.0/bInterfaceNumber: 00
sys/devices/usb/1-2/1-2:1.0/ttyUSB10/driver -> ../../../../../bus/usb-serial/drivers/ch341-uart
sys/devices/usb/1-2/1-2:1.0/ttyUSB10/tty/ttyUSB10/device -> ../../../ttyUSB10
sys/devices/usb/1-2/1-2:1.0/ttyUSB10/tty/ttyUSB10/dev: 188:10
sys/class/tty/ttyUSB10 -> ../../devices/usb/1-2/1-2:1.0/ttyUSB10/tty/ttyUSB10
sys/devices/usb/1-3/idVendor: 2dd6
sys/devices/usb/1-3/idProduct: 0261
sys/devices/usb/1-3/manufacturer: Scan Maker
sys/devices/usb/1-3/product: QR Scanner
sys/devices/usb/1-3/serial: A1B2-0007
sys/devices/usb/1-3/1-3:1.0/bInterfaceNumber: 00
sys/devices/usb/1-3/1-3:1.0/driver -> ../../../../bus/usb/drivers/cdc_acm
sys/devices/usb/1-3/1-3:1.0/tty/ttyACM0/device -> ../../../1-3:1.0
sys/devices/usb/1-3/1-3:1.0/tty/ttyACM0/dev: 166:0
sys/class/tty/ttyACM0 -> ../../devices/usb/1-3/1-3:1.0/tty/ttyACM0
dev/ttyS0:
dev/ttyS2:
dev/ttyUSB0:
dev/ttyUSB10:
dev/ttyACM0:
dev/stdin -> /proc/self/fd/0
dev/gated-scanner-in -> ttyUSB0
dev/serial/by-path/pci-0000:00:14.0-usb-0:1:1.0-port0 -> ../../ttyUSB0
dev/serial/by-path/pci-0000:00:14.0-usbv2-0:1:1.0-port0 -> ../../ttyUSB0
dev/serial/by-path/pci-0000:00:14.0-usb-0:3:1.0 -> ../../ttyACM0
dev/serial/by-id/usb-1a86_USB_Serial-if00-port0 -> ../../ttyUSB10
run/udev/data/c188:10: N:serial\nE:ID_PATH=pci-0000:00:14.0-usb-0:2:1.0\nE:ID_BUS=usb
proc/812/comm: gated
proc/812/fd/7 -> /dev/ttyUSB0
proc/812/fd/8 -> /dev/ttyUSB0
proc/812/fd/9 -> socket:[1]
proc/40/comm: agetty
proc/40/fd/0 -> /dev/ttyS0
`

func TestPortsOfABox(t *testing.T) {
	got, err := listUnder(box(t, usualBox))
	if err != nil {
		t.Fatal(err)
	}
	want := []Info{
		{Path: "/dev/ttyACM0", Driver: "cdc_acm", Names: []string{"/dev/serial/by-path/pci-0000:00:14.0-usb-0:3:1.0"}, IDPath: "pci-0000:00:14.0-usb-0:3:1.0",
			VendorID: "2dd6", ProductID: "0261", Vendor: "Scan Maker", Product: "QR Scanner", Serial: "A1B2-0007", Interface: "00"},
		{Path: "/dev/ttyUSB0", Driver: "ch341-uart", Names: []string{"/dev/gated-scanner-in", "/dev/serial/by-path/pci-0000:00:14.0-usb-0:1:1.0-port0", "/dev/serial/by-path/pci-0000:00:14.0-usbv2-0:1:1.0-port0"}, IDPath: "pci-0000:00:14.0-usb-0:1:1.0",
			VendorID: "1a86", ProductID: "7523", Product: "USB Serial", Interface: "00", Held: []Holder{{812, "gated"}}},
		{Path: "/dev/ttyUSB10", Driver: "ch341-uart", Names: []string{"/dev/serial/by-id/usb-1a86_USB_Serial-if00-port0"}, IDPath: "pci-0000:00:14.0-usb-0:2:1.0",
			VendorID: "1a86", ProductID: "7523", Product: "USB Serial", Interface: "00"},
		{Path: "/dev/ttyS0", Driver: "serial", Console: true, Held: []Holder{{40, "agetty"}}},
		{Path: "/dev/ttyS2", Driver: "serial8250"},
	}
	if d := cmp.Diff(want, got, cmpopts.IgnoreUnexported(Info{})); d != "" {
		t.Error("-want +got\n" + d)
	}
	for i, p := range got {
		if p.AnyRate() != (i == 0) {
			t.Errorf("%s: any rate %v", p.Path, p.AnyRate())
		}
	}
}

func TestPortsOfThisMachine(t *testing.T) {
	if _, err := List(); err != nil {
		t.Error(err)
	}
}

// A device with a serial number of its own is named by it, its twins and the nameless by their sockets.
func TestUdevRuleNamesThePort(t *testing.T) {
	ports, err := listUnder(box(t, usualBox))
	if err != nil {
		t.Fatal(err)
	}
	const tail = `, SYMLINK+="gated-scanner-in", GROUP="dialout", MODE="0660", ENV{ID_MM_PORT_IGNORE}="1", TAG+="systemd"` + "\n"
	ignore := func(vendor, product string) string {
		return `SUBSYSTEM=="usb", ENV{DEVTYPE}=="usb_device", ATTR{idVendor}=="` + vendor + `", ATTR{idProduct}=="` + product + `", ENV{ID_MM_DEVICE_IGNORE}="1"` + "\n"
	}
	bySerial := ignore("2dd6", "0261") + `SUBSYSTEM=="tty", ATTRS{idVendor}=="2dd6", ATTRS{idProduct}=="0261", ATTRS{serial}=="A1B2-0007"` + tail
	byPath := ignore("2dd6", "0261") + `SUBSYSTEM=="tty", ENV{ID_PATH}=="pci-0000:00:14.0-usb-0:3:1.0"` + tail
	acm := ports[0]
	change := func(f func(*Info)) Info { p := acm; f(&p); return p }
	twin := change(func(p *Info) { p.Path, p.usb = "/dev/ttyACM1", "elsewhere" })
	second := change(func(p *Info) { p.Path, p.Interface = "/dev/ttyACM1", "02" })
	for _, tt := range []struct {
		name  string
		port  Info
		ports []Info
		want  string
	}{
		{"by its serial number", acm, ports, bySerial},
		{"a twin with the same serial number", acm, append([]Info{twin}, ports...), byPath},
		{"two ports of one device", acm, append([]Info{second}, ports...), byPath},
		{"a serial number that a rule cannot hold", change(func(p *Info) { p.Serial = `A*"` }), ports, byPath},
		{"no serial number", ports[1], ports, ignore("1a86", "7523") + `SUBSYSTEM=="tty", ENV{ID_PATH}=="pci-0000:00:14.0-usb-0:1:1.0"` + tail},
		{"two ports at one interface", ports[1], append([]Info{{Path: "/dev/ttyUSB1", usb: ports[1].usb, IDPath: ports[1].IDPath, number: "1"}}, ports...), ignore("1a86", "7523") + `SUBSYSTEM=="tty", ENV{ID_PATH}=="pci-0000:00:14.0-usb-0:1:1.0", ATTRS{port_number}=="0"` + tail},
		{"on the board", ports[4], ports, `SUBSYSTEM=="tty", KERNEL=="ttyS2"` + tail},
		{"nothing known", change(func(p *Info) { p.Serial, p.IDPath = "", "" }), ports, ""},
		{"a pseudo-terminal", Info{Path: "/dev/pts/3"}, ports, ""},
	} {
		if d := cmp.Diff(tt.want, UdevRule(tt.port, tt.ports, "gated-scanner-in")); d != "" {
			t.Errorf("%s: -want +got\n%s", tt.name, d)
		}
	}
}
