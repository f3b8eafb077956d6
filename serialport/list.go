package scanner

import (
	"cmp"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// A SerialPort is a serial port of the box and what the kernel and udev know about it.
type SerialPort struct {
	Path    string   `json:"path"`
	Driver  string   `json:"driver,omitempty"`  // such as ch341-uart, cdc_acm, serial8250
	Names   []string `json:"names,omitempty"`   // links to it: by-path, by-id, those of udev rules
	IDPath  string   `json:"id_path,omitempty"` // the socket it is plugged into, as udev names it
	Console bool     `json:"console,omitempty"` // the kernel talks on it
	Held    []Holder `json:"held,omitempty"`    // who has it open, as far as we may see

	// Those of USB ports only.
	VendorID  string `json:"vendor_id,omitempty"`
	ProductID string `json:"product_id,omitempty"`
	Vendor    string `json:"vendor,omitempty"`
	Product   string `json:"product,omitempty"`
	Serial    string `json:"serial,omitempty"`
	Interface string `json:"interface,omitempty"`

	usb    string // where sysfs has the USB device
	number string // of the port, where an adapter has several at one interface
}

// A Holder is a process that has a port open.
type Holder struct {
	PID     int    `json:"pid"`
	Command string `json:"command"`
}

// AnyRate says that the port takes no notice of the baud rate: there is no line behind a CDC-ACM port on which it would count.
func (p SerialPort) AnyRate() bool { return p.Driver == "cdc_acm" }

// Ports lists the serial ports of the box, USB ports first. Nothing is opened.
func Ports() ([]SerialPort, error) { return portsUnder("/") }

// portsUnder lists the ports of a system whose dev, proc, run and sys lie in root.
func portsUnder(root string) ([]SerialPort, error) {
	class := filepath.Join(root, "sys/class/tty")
	entries, err := os.ReadDir(class)
	if err != nil {
		return nil, err
	}
	links := linksTo(filepath.Join(root, "dev"))
	consoles := strings.Fields(line(filepath.Join(class, "console/active")))
	ports := []SerialPort{}
	for _, e := range entries {
		name := e.Name()
		// Terminals without a device are virtual; a UART of type 0 is a place on the board where none is.
		device, err := filepath.EvalSymlinks(filepath.Join(class, name, "device"))
		if err != nil || absent(root, name) {
			continue
		}
		p := SerialPort{Path: "/dev/" + name, Driver: driver(device), Console: slices.Contains(consoles, name)}
		for link, target := range links {
			if target == filepath.Join(root, "dev", name) {
				p.Names = append(p.Names, "/"+strings.TrimPrefix(strings.TrimPrefix(link, root), "/"))
			}
		}
		slices.Sort(p.Names)
		p.number = line(filepath.Join(device, "port_number"))
		p.IDPath = idPath(root, line(filepath.Join(class, name, "dev")), p.Names)
		for dir := device; dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
			if p.Interface == "" {
				p.Interface = line(filepath.Join(dir, "bInterfaceNumber"))
			}
			if id := line(filepath.Join(dir, "idVendor")); id != "" {
				p.usb, p.VendorID, p.ProductID = dir, id, line(filepath.Join(dir, "idProduct"))
				p.Vendor, p.Product, p.Serial = line(filepath.Join(dir, "manufacturer")), line(filepath.Join(dir, "product")), line(filepath.Join(dir, "serial"))
				break
			}
		}
		ports = append(ports, p)
	}
	held := holders(root)
	for i, p := range ports {
		ports[i].Held = held[p.Path]
	}
	slices.SortFunc(ports, func(a, b SerialPort) int {
		return cmp.Or(cmp.Compare(b2i(a.usb == ""), b2i(b.usb == "")), cmp.Compare(len(a.Path), len(b.Path)), cmp.Compare(a.Path, b.Path))
	})
	return ports, nil
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

// line reads a file of one line; empty if there is none.
func line(path string) string {
	b, _ := os.ReadFile(path)
	return strings.ToValidUTF8(strings.TrimSpace(string(b)), "?")
}

// absent tells whether a UART that the kernel keeps a number for is not there. sysfs tells everybody; where it does not,
// /proc/tty/driver/serial tells root about the ttyS ones.
func absent(root, name string) bool {
	if kind := line(filepath.Join(root, "sys/class/tty", name, "type")); kind != "" {
		return kind == "0" // PORT_UNKNOWN
	}
	number, isUART := strings.CutPrefix(name, "ttyS")
	if _, err := strconv.Atoi(number); !isUART || err != nil {
		return false
	}
	for l := range strings.Lines(line(filepath.Join(root, "proc/tty/driver/serial"))) {
		if rest, ok := strings.CutPrefix(l, number+":"); ok {
			return strings.Contains(rest, "uart:unknown")
		}
	}
	return true
}

// driver is that of the device, or of the next one above it: since Linux 6.5 serial-base stands between a UART and its driver.
func driver(device string) string {
	for dir := device; dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		subsystem, _ := os.Readlink(filepath.Join(dir, "subsystem"))
		if d, err := os.Readlink(filepath.Join(dir, "driver")); err == nil && filepath.Base(subsystem) != "serial-base" {
			return filepath.Base(d)
		}
	}
	return ""
}

// linksTo finds the links in dev at the places where udev puts those of serial ports.
func linksTo(dev string) map[string]string {
	links := map[string]string{}
	for _, dir := range []string{dev, filepath.Join(dev, "gated"), filepath.Join(dev, "serial/by-path"), filepath.Join(dev, "serial/by-id")} {
		entries, _ := os.ReadDir(dir)
		for _, e := range entries {
			if e.Type()&fs.ModeSymlink == 0 {
				continue
			}
			path := filepath.Join(dir, e.Name())
			// /dev/stdin and its like are links to whatever we were started with.
			if to, _ := os.Readlink(path); strings.HasPrefix(to, "/proc/") {
				continue
			}
			if target, err := filepath.EvalSymlinks(path); err == nil {
				links[path] = target
			}
		}
	}
	return links
}

var portSuffix = regexp.MustCompile(`-port\d+$`)

// idPath is the ID_PATH that a udev rule can ask for: from udev's own notes, else from the by-path name that is made of it.
func idPath(root, number string, names []string) string {
	b, _ := os.ReadFile(filepath.Join(root, "run/udev/data", "c"+number))
	for l := range strings.Lines(string(b)) {
		if path, ok := strings.CutPrefix(l, "E:ID_PATH="); ok {
			return strings.TrimSpace(path)
		}
	}
	for _, name := range names {
		// systemd 255 adds names with the USB revision, which are none of ID_PATH's.
		if path, ok := strings.CutPrefix(name, "/dev/serial/by-path/"); ok && !strings.Contains(path, "-usbv") {
			return portSuffix.ReplaceAllString(path, "")
		}
	}
	return ""
}

// holders tells who has which terminal open. It sees the processes of other users only as root.
func holders(root string) map[string][]Holder {
	held := map[string][]Holder{}
	procs, _ := filepath.Glob(filepath.Join(root, "proc/[0-9]*"))
	for _, proc := range procs {
		pid, err := strconv.Atoi(filepath.Base(proc))
		if err != nil {
			continue
		}
		fds, _ := os.ReadDir(filepath.Join(proc, "fd"))
		for _, fd := range fds {
			path, _ := os.Readlink(filepath.Join(proc, "fd", fd.Name()))
			if !strings.HasPrefix(path, "/dev/") {
				continue
			}
			if !slices.ContainsFunc(held[path], func(h Holder) bool { return h.PID == pid }) {
				held[path] = append(held[path], Holder{pid, line(filepath.Join(proc, "comm"))})
			}
		}
	}
	return held
}

// plainSerial is what a udev rule can be made of: no quotes, none of its wild cards.
var plainSerial = regexp.MustCompile(`^[A-Za-z0-9._:+-]+$`)

// UdevRule returns the lines of a rules file that give port p of ports the name /dev/NAME, whichever number the kernel
// gives it next time. They hold for the device where it has a serial number of its own, for the socket otherwise: most
// CH340 and PL2303 adapters have none, or all the same. Empty: udev knows neither.
func UdevRule(p SerialPort, ports []SerialPort, name string) string {
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
		if slices.ContainsFunc(ports, func(q SerialPort) bool { return q.IDPath == p.IDPath && q.Path != p.Path }) && plainSerial.MatchString(p.number) {
			match += `, ATTRS{port_number}=="` + p.number + `"`
		}
	case p.usb == "" && strings.HasPrefix(p.Path, "/dev/tty"):
		match = `KERNEL=="` + filepath.Base(p.Path) + `"` // soldered to the board, its number with it
	default:
		return ""
	}
	var ignore string
	if p.usb != "" {
		ignore = `SUBSYSTEM=="usb", ENV{DEVTYPE}=="usb_device", ATTR{idVendor}=="` + p.VendorID + `", ATTR{idProduct}=="` + p.ProductID + `", ENV{ID_MM_DEVICE_IGNORE}="1"` + "\n"
	}
	return ignore + `SUBSYSTEM=="tty", ` + match + `, SYMLINK+="` + name + `", GROUP="dialout", MODE="0660", ENV{ID_MM_PORT_IGNORE}="1", TAG+="systemd"` + "\n"
}
