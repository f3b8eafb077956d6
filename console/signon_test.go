package console

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp/kb"

	"gated/access"
)

// A guard signs on with name and PIN, is locked out after five wrong ones, has it lifted by the shift leader, decides, and signs off. The
// emergency key asks nobody meanwhile.
func TestSignOnAtThePage(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	b.give(people[:2]...)
	b.require()
	hold := b.scan("in", b.pass("李四", -time.Minute)).Passage
	ctx := browser(t, b.serve(t))
	see(t, ctx, "nobody is signed on", `document.querySelector('#duty .nobody')?.textContent.includes('无人登录') && document.querySelector('.card.on')`)
	time.Sleep(READ)
	press(t, ctx, "r")
	see(t, ctx, "who decides is asked to sign on", `!$('signon').hidden && $('toast').textContent.includes('请先登录') && document.activeElement === $('duty-name')`)
	press(t, ctx, kb.F9)
	b.has("open in admit emergency-key")

	name := func(who, secret string) {
		t.Helper()
		write(t, ctx, who)
		press(t, ctx, kb.Enter)
		see(t, ctx, "the PIN is asked for", `document.activeElement === $('pin')`)
		write(t, ctx, secret)
		press(t, ctx, kb.Enter)
	}
	name("张伟", "000001")
	see(t, ctx, "a wrong one", `document.querySelector('#signon .bad')?.textContent.includes('不对') && $('pin').value === '' && document.activeElement === $('pin')`)
	for range 4 {
		b.post("/api/signon", `{"name":"张伟","secret":"000001"}`, nil)
	}
	see(t, ctx, "somebody guesses", `document.querySelector('.alarm.locked')?.textContent.includes('有人在试 PIN') && !document.querySelector('.alarm.locked').textContent.includes('张伟') && !$('lift')`)
	write(t, ctx, pin)
	press(t, ctx, kb.Enter)
	see(t, ctx, "the lock-out is said", `document.querySelector('#signon .bad')?.textContent.includes('锁定至')`)
	press(t, ctx, kb.Escape)
	see(t, ctx, "closed", `$('signon').hidden`)

	tapTo(t, ctx, "#duty button", "the form", `!$('signon').hidden`)
	name("li na", pin)
	see(t, ctx, "the shift leader", `$('signon').hidden && document.querySelector('#duty b')?.textContent === 'Li Na' && !$('duty').textContent.includes('未验证身份') && $('lift')`)
	tapTo(t, ctx, "#lift", "lifted", `!document.querySelector('.alarm.locked')`)
	tapTo(t, ctx, "#duty button", "the form", `!$('signon').hidden && $('sign-off')`)
	name("张伟", pin)
	see(t, ctx, "the guard", `$('signon').hidden && document.querySelector('#duty b')?.textContent === '张伟'`)
	press(t, ctx, "1")
	see(t, ctx, "who waits", fmt.Sprintf(`document.querySelector('.card.on')?.dataset.passage === '%s'`, hold))
	before := b.ledger.Size()
	time.Sleep(READ)
	press(t, ctx, "r")
	b.has("register in refuse not-known 张伟")
	if got := b.by(before); !slices.Contains(got, "register pin 张伟") {
		t.Errorf("recorded are %q", got)
	}
	for _, asked := range b.heard() {
		if strings.Contains(asked, "duty") {
			t.Errorf("signed on by name: %s", asked)
		}
	}
	sees(t, ctx, "no PIN stays in the page", fmt.Sprintf(`!document.documentElement.outerHTML.includes('%s') && !JSON.stringify(drafts).includes('%[1]s') && !document.cookie`, pin))

	tapTo(t, ctx, "#duty button", "the form", `!$('signon').hidden`)
	write(t, ctx, "老王")
	press(t, ctx, kb.Enter)
	press(t, ctx, kb.Enter)
	see(t, ctx, "a stand-in", `document.querySelector('#duty b')?.textContent === '老王' && $('duty').textContent.includes('未验证身份')`)
	b.has("signon 老王")
	b.give(access.Change{What: access.Disabled, Name: "张伟"})
	see(t, ctx, "it ends with the account that it rests on", `document.querySelector('#duty .nobody')`)
	tapTo(t, ctx, "#duty button", "the form", `!$('signon').hidden`)
	name("Li Na", pin)
	see(t, ctx, "signed on", `document.querySelector('#duty b')?.textContent === 'Li Na'`)
	tapTo(t, ctx, "#duty button", "the form", `!$('signon').hidden && $('sign-off')`)
	tapTo(t, ctx, "#sign-off", "signed off", `$('signon').hidden && document.querySelector('#duty .nobody')`)
}

// READ is longer than the page selected somebody by itself before a key decides.
const READ = 700 * time.Millisecond
