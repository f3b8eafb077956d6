package access

import (
	"errors"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// signedIn signs somebody in as SignIn does, and makes no hash: each argon2id takes its time.
func signedIn(t *testing.T, s *Sessions, name string) (token string) {
	t.Helper()
	all, err := s.accounts.read()
	i := find(all, name)
	if err != nil || i < 0 {
		t.Fatal(name, err)
	}
	token, _ = s.add(session{Session: Session{Actor: Actor{name, PIN}, Role: all[i].Role}, account: name, hash: all[i].Hash})
	return token
}

func TestWhoIsSignedIn(t *testing.T) {
	t.Parallel()
	s := NewSessions(site(t))
	began := time.Now()
	for _, c := range []struct {
		name, secret, how string
		role              Role
	}{{"张伟", pin, PIN, Guard}, {" li na ", pin, PIN, ShiftLeader}, {"Chen", sentence, Password, Manager}} {
		token, now, err := s.SignIn(c.name, c.secret)
		got, ok := s.Of(token, true)
		if err != nil || !ok || got != now || now.How != c.how || now.Role != c.role || now.By() != c.how || now.Since.Before(began) || len(token) != 43 {
			t.Errorf("%s: %q %+v, %v; then %+v, %t", c.name, token, now, err, got, ok)
		}
		s.End(token)
		if _, ok := s.Of(token, true); ok {
			t.Errorf("%s: signed off, and signed in", c.name)
		}
	}
	if _, _, err := s.SignIn("张伟", "000001"); !errors.Is(err, ErrWrong) || len(s.all) != 0 {
		t.Errorf("a wrong PIN: %v, %d sessions", err, len(s.all))
	}
	if _, ok := s.Of("", true); ok {
		t.Error("no token is somebody's")
	}
	if (Actor{}).By() != Unauthenticated {
		t.Error("nobody in particular is authenticated")
	}
}

// A wrong try that locks says so once; the next one is not looked at.
func TestWhoGuessesIsSeenOnce(t *testing.T) {
	t.Parallel()
	x := site(t)
	for n := range 7 {
		_, err := x.Check("张伟", "000001")
		if guessed := errors.As(err, new(Guessed)); guessed != (n == 4) || errors.Is(err, ErrWrong) != (n < 5) {
			t.Errorf("try %d: %T %[2]v", n+1, err)
		}
	}
	if list, any := x.Locked(); len(list) != 1 || list[0].Name != "张伟" || !any {
		t.Errorf("locked are %+v", list)
	}
	done(t, x, Change{What: Lifted, Name: "张伟"})
	if list, _ := x.Locked(); len(list) != 0 {
		t.Errorf("locked are %+v after it was lifted", list)
	}
	if _, any := In(t.TempDir(), time.Now).Locked(); any {
		t.Error("there are accounts without a file")
	}
}

// A session ends when nobody uses it for long, and looking at it is no use.
func TestSessionsEndWhenIdle(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		idle time.Duration
	}{{"张伟", 16 * time.Hour}, {"Li Na", 16 * time.Hour}, {"Chen", 30 * time.Minute}} {
		x := site(t)
		synctest.Test(t, func(t *testing.T) {
			s := NewSessions(x)
			token := signedIn(t, s, c.name)
			for range 3 {
				time.Sleep(c.idle - time.Nanosecond)
				if _, ok := s.Of(token, true); !ok {
					t.Fatalf("%s: over after %v, though it was used", c.name, c.idle)
				}
			}
			time.Sleep(c.idle - time.Nanosecond)
			if _, ok := s.Of(token, false); !ok {
				t.Errorf("%s: over before %v", c.name, c.idle)
			}
			time.Sleep(time.Nanosecond)
			if _, ok := s.Of(token, true); ok || len(s.all) != 0 {
				t.Errorf("%s: not over after %v, %d are kept", c.name, c.idle, len(s.all))
			}
		})
	}
}

// Whoever is disabled or reset is signed off at once, also where the file was changed by others; a stand-in with whom they rest on.
func TestSessionsEndWithTheirAccount(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(x *Accounts){
		"disabled": func(x *Accounts) { done(t, x, Change{What: Disabled, Name: "张伟"}) },
		"reset":    func(x *Accounts) { done(t, x, Change{What: Reset, Name: "张伟", Secret: pin}) },
		"by another process": func(x *Accounts) {
			all := three()
			write(x.path, all[1:])
			if err := x.Fault(); err != nil { // the daemon looks each two seconds
				t.Error(err)
			}
		},
	} {
		x := site(t)
		s := NewSessions(x)
		token, other := signedIn(t, s, "张伟"), signedIn(t, s, "Li Na")
		in, _ := s.ByName("周班长", signedIn(t, s, "张伟"))
		if who, ok := s.Of(in, true); !ok || who.Name != "周班长" || who.By() != Unauthenticated || who.Role != Guard {
			t.Errorf("a stand-in is %+v, %t", who, ok)
		}
		done(t, x, Change{What: Lifted, Name: "张伟"})
		if _, ok := s.Of(token, true); !ok {
			t.Errorf("%s: to lift a lock-out signs off", name)
		}
		end(x)
		for what, token := range map[string]string{"they": token, "their stand-in": in} {
			if _, ok := s.Of(token, true); ok {
				t.Errorf("%s: %s are signed in still", name, what)
			}
		}
		if _, ok := s.Of(other, true); !ok {
			t.Errorf("%s: and so was somebody else", name)
		}
	}
}

// A damaged file locks no gate: who is signed in stays so, and a name is enough for as long as it is damaged.
func TestADamagedFileLocksNoGate(t *testing.T) {
	t.Parallel()
	x := site(t)
	s := NewSessions(x)
	token := signedIn(t, s, "张伟")
	program := NewToken()
	done(t, x, Change{What: Added, Name: "parking", Role: Guard, Secret: program, Token: true})
	if x.Unguarded() {
		t.Error("nobody could sign in, it says")
	}
	early, _ := s.ByName("周班长", "")
	if _, ok := s.Of(early, true); ok {
		t.Error("a name was enough")
	}
	whole, err := os.ReadFile(x.path)
	if err == nil {
		err = os.WriteFile(x.path, whole[:100], 0o600)
	}
	if err != nil || x.Fault() == nil || !x.Unguarded() {
		t.Fatal(err)
	}
	if _, _, err := s.SignIn("Li Na", pin); err == nil || !strings.Contains(err.Error(), "damaged") {
		t.Errorf("signed in by a damaged file: %v", err)
	}
	_, they := s.Of(token, true)
	_, it := s.OfProgram(program)
	in, _ := s.ByName("周班长", "")
	if who, ok := s.Of(in, true); !they || !it || !ok || who.By() != Unauthenticated {
		t.Errorf("signed in %t, the program %t, by name %+v", they, it, who)
	}
	if err := os.WriteFile(x.path, whole, 0o600); err != nil || x.Fault() != nil {
		t.Fatal(err)
	}
	_, they = s.Of(token, true)
	if _, ok := s.Of(in, true); ok || !they {
		t.Errorf("put back: by name %t, signed in %t", ok, they)
	}
	if done(t, x, Change{What: Disabled, Name: "张伟"}); x.Unguarded() {
		t.Error("the shift leader is a guard, too")
	}
	if done(t, x, Change{What: Disabled, Name: "Li Na"}); !x.Unguarded() {
		t.Error("the last guard is gone, and a program is none")
	}
}

func TestTokensOfPrograms(t *testing.T) {
	t.Parallel()
	x := site(t)
	s := NewSessions(x)
	token := NewToken()
	if a := done(t, x, Change{What: Added, Name: "parking", Role: Guard, Secret: token, Token: true}); !a.Token || a.State(time.Now()) != "token" {
		t.Errorf("made %+v", a)
	}
	if who, ok := s.OfProgram(token); !ok || who.Name != "parking" || who.Role != Guard || who.By() != Password {
		t.Errorf("got %+v, %t", who, ok)
	}
	if kept := text(t, x); strings.Contains(kept, token) || strings.Contains(kept, token[len(tokenBegins):]) {
		t.Error("the token itself is kept")
	}
	if _, err := x.Check("parking", token); !errors.Is(err, ErrWrong) {
		t.Errorf("a program signs in at the page: %v", err)
	}
	for what, c := range map[string]struct {
		Change
		want string
	}{
		"a PIN for it":         {Change{What: Reset, Name: "parking", Secret: pin}, "make another one"},
		"a token of one's own": {Change{What: Added, Name: "mine", Role: Guard, Secret: "1234", Token: true}, "made by gated user token"},
		"the same name":        {Change{What: Added, Name: "Parking", Role: Guard, Secret: NewToken(), Token: true}, "there is an account parking"},
		"no role":              {Change{What: Added, Name: "mine", Secret: NewToken(), Token: true}, "one of guard"},
	} {
		if _, err := x.Do(c.Change, func(Account) error { return nil }); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", what, err)
		}
	}
	for _, wrong := range []string{"", token[:len(token)-1], NewToken(), tokenHash(token)} {
		if who, ok := s.OfProgram(wrong); ok {
			t.Errorf("%q is %+v", wrong, who)
		}
	}
	if _, ok := s.Of(token, true); ok {
		t.Error("a token is taken for a cookie")
	}
	done(t, x, Change{What: Added, Name: "office", Role: Manager, Secret: NewToken(), Token: true})
	if _, err := x.Do(Change{What: Disabled, Name: "Chen"}, func(Account) error { return nil }); err == nil || !strings.Contains(err.Error(), "the last manager") {
		t.Errorf("a program is the last manager: %v", err)
	}
	done(t, x, Change{What: Disabled, Name: "parking"})
	if _, ok := s.OfProgram(token); ok {
		t.Error("revoked, and taken")
	}
	if list, err := In(strings.TrimSuffix(x.path, File), time.Now).List(); err != nil || len(list) != 5 || list[3].State(time.Now()) != "disabled" {
		t.Errorf("read again: %+v, %v", list, err)
	}
}

// Who signs in without end uses up no memory: the session that was used longest ago goes.
func TestMostSessions(t *testing.T) {
	t.Parallel()
	x := site(t)
	synctest.Test(t, func(t *testing.T) {
		s := NewSessions(x)
		first, second := signedIn(t, s, "张伟"), ""
		for n := range mostSessions {
			time.Sleep(time.Millisecond)
			if n == 0 {
				second = signedIn(t, s, "张伟")
				time.Sleep(time.Millisecond)
				s.Of(first, true)
				continue
			}
			time.Sleep(time.Millisecond)
			signedIn(t, s, "张伟")
		}
		_, one := s.Of(first, true)
		_, two := s.Of(second, true)
		if len(s.all) != mostSessions || !one || two {
			t.Errorf("%d, the one that was used %t, the one that was not %t", len(s.all), one, two)
		}
	})
}
