package serialport

import (
	"cmp"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// Info is what the kernel and udev know about a serial port of the box.
type Info struct {
	Path    string   `json:"path"`
	Driver  string   `json:"driver,omitempty"`  // such as ch341-uart, cdc_acm, serial8250
	Names   []string `json:"names,omitempty"`   // links to it: by-path, by-id, those of udev rules
	IDPath  string   `json:"id_path,omitempty"` // the socket it is plugged into, as udev names it
	Console bool     `json:"console,omitempty"` // it is the kernel's console
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

// AnyRate says that the port takes no notice of the baud rate: there is no line behind a CDC-ACM port on which it would count.
func (p Info) AnyRate() bool { return p.Driver == "cdc_acm" }

// List lists the serial ports of the box, USB ports first. Nothing is opened.
func List() ([]Info, error) { return listUnder("/") }

// listUnder lists the ports of a system whose dev, proc, run and sys lie in root.
func listUnder(root string) ([]Info, error) {
	class := filepath.Join(root, "sys/class/tty")
	entries, err := os.ReadDir(class)
	if err != nil {
		return nil, err
	}
	links := linksTo(filepath.Join(root, "dev"))
	consoles := strings.Fields(line(filepath.Join(class, "console/active")))
	ports := []Info{}
	for _, e := range entries {
		name := e.Name()
		// Terminals without a device are virtual; a UART of type 0 is a place on the board where none is.
		device, err := filepath.EvalSymlinks(filepath.Join(class, name, "device"))
		if err != nil || line(filepath.Join(class, name, "type")) == "0" { // PORT_UNKNOWN
			continue
		}
		p := Info{Path: "/dev/" + name, Driver: driver(device), Console: slices.Contains(consoles, name)}
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
				p.Vendor, p.Product = line(filepath.Join(dir, "manufacturer")), line(filepath.Join(dir, "product"))
				p.Serial = line(filepath.Join(dir, "serial"))
				break
			}
		}
		ports = append(ports, p)
	}
	held := holders(root)
	for i, p := range ports {
		ports[i].Held = held[p.Path]
	}
	slices.SortFunc(ports, func(a, b Info) int {
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
	for _, dir := range []string{"", "gated", "serial/by-path", "serial/by-id"} {
		dir = filepath.Join(dev, dir)
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
