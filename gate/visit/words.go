package visit

// Word is one that is chosen, in both languages.
type Word struct {
	Word    string `json:"word"`
	Chinese string `json:"zh"`
	English string `json:"en"`
}

func words(list []Word) (names []string) {
	for _, w := range list {
		names = append(names, w.Word)
	}
	return names
}

// Bodies are the hosts that are no household.
var Bodies = []Word{
	{"office", "物业", "property office"},
	{"committee", "居委会", "committee"},
	{"parcels", "快递驿站", "parcel station"},
	{"shop", "商铺", "shop"},
	{"kindergarten", "幼儿园", "kindergarten"},
	{"compound", "小区公共区域", "the compound itself"},
}

// Firms are those that deliver.
var Firms = []Word{
	{"meituan", "美团", "Meituan"},
	{"eleme", "饿了么", "Ele.me"},
	{"sf", "顺丰", "SF Express"},
	{"jd", "京东", "JD"},
	{"post", "邮政", "China Post"},
	{"zto", "中通", "ZTO"},
	{"yto", "圆通", "YTO"},
	{"sto", "申通", "STO"},
	{"yunda", "韵达", "Yunda"},
	{"jt", "极兔", "J&T"},
	{"cainiao", "菜鸟", "Cainiao"},
	{"other", "其他", "another one"},
}

// Purposes are what people come for.
var Purposes = []Word{
	{"family", "探亲访友", "family or friends"},
	{"care", "照护", "care"},
	{"housework", "家政", "household help"},
	{"repair", "维修", "repair"},
	{"renovation", "装修", "renovation"},
	{"moving", "搬家", "moving"},
	{"viewing", "看房", "viewing a flat"},
	{"waste", "垃圾清运", "waste collection"},
	{"business", "办事", "business"},
	{"other", "其他", "something else"},
}
