package demo

import (
	"fmt"
	"math/rand/v2"

	"gated/roster/sheet"
)

// The compound of the demo is invented and has the size of the real one.
const (
	buildings  = 8
	units      = 3 // in each building: 24
	households = 712
	residents  = 2132
)

// Issuer is the name under which the passes of the compound are signed.
const Issuer = "demo-office"

const (
	surnames = "王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗梁宋郑谢韩唐冯于董萧程曹袁邓许傅沈曾彭吕苏卢蒋蔡贾丁魏薛叶阎"
	given    = "伟芳娜敏静丽强磊军洋勇艳杰娟涛明超秀霞平刚桂英华建国文玉兰红梅志鹏宇欣怡子涵浩然雨桐梓萱晨曦嘉懿俊思远若彤"
)

// Compound invents the list of the property office. It is the same every time, so that a demo that is started again finds its
// people.
func Compound() []sheet.Row {
	rng := rand.New(rand.NewPCG(8, 24))
	pick := func(s string) string { r := []rune(s); return string(r[rng.IntN(len(r))]) }
	var rows []sheet.Row
	add := func(r sheet.Row) { r.Number = len(rows) + 2; rows = append(rows, r) }
	people := 0
	for h := range households {
		unit := h % (buildings * units)
		floor, flat := h/(buildings*units)/2+1, h/(buildings*units)%2+1
		home := sheet.Row{Building: fmt.Sprint(unit/units + 1), Unit: fmt.Sprint(unit%units + 1),
			Room: fmt.Sprintf("%d%02d", floor, flat), Class: "resident"}
		// Distributes the remaining residents evenly over the remaining households.
		n := (residents - people + households - h - 1) / (households - h)
		family := pick(surnames)
		for range n {
			p := home
			p.Name = family + pick(given) + pick(given)
			p.Document = inventedID(rng, people)
			people++
			add(p)
		}
	}
	services := []string{"ambulance", "ambulance", "fire", "police", "epidemic-control", "epidemic-control", "emergency-repair"}
	for i, service := range services {
		add(sheet.Row{Plate: fmt.Sprintf("粤B%05d", 10120+i), Service: service})
	}
	for i := range 12 {
		h := rows[i*97]
		add(sheet.Row{Plate: fmt.Sprintf("粤B%05d", 52300+i*7), Building: h.Building, Unit: h.Unit, Room: h.Room})
	}
	for i := range 6 {
		add(sheet.Row{Name: pick(surnames) + pick(given) + pick(given), Phone: fmt.Sprintf("1390000%04d", i), Class: "staff"})
	}
	return rows
}

// inventedID makes a resident ID number with a valid check character, of a region that does not exist (99).
func inventedID(rng *rand.Rand, n int) string {
	id := fmt.Sprintf("990101%04d%02d%02d%03d", 1940+rng.IntN(80), 1+rng.IntN(12), 1+rng.IntN(28), n%1000)
	sum := 0
	for i, w := range []int{7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2} {
		sum += int(id[i]-'0') * w
	}
	return id + "10X98765432"[sum%11:sum%11+1]
}
