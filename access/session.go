package access

import (
	"cmp"
	"crypto/sha256"
	"slices"
	"sync"
	"time"
)

// Actor is who does something, and how that is known. Zero: whoever is there, whose name nothing proves.
type Actor struct{ Name, How string }

// How it is known who acts, as records have it. What nobody did is by the machine.
const (
	PIN             = "pin"
	Password        = "password"        // or a program's token
	Unauthenticated = "unauthenticated" // a name that nothing proves
	Socket          = "socket"          // a user of the box, as the kernel names them
)

// By is what a record says of how it is known.
func (a Actor) By() string { return cmp.Or(a.How, Unauthenticated) }

// Session is somebody who is signed in.
type Session struct {
	Actor
	Role  Role
	Since time.Time
}

// session is a session as it is kept.
type session struct {
	Session
	account, hash string    // what it rests on: it ends when that is so no more
	used          time.Time // last
}

// Sessions are who is signed in. They are in memory alone: after a restart everybody signs in again.
type Sessions struct {
	accounts *Accounts

	mu  sync.Mutex                     // guards all; never held while anything waits
	all map[[sha256.Size]byte]*session // by the hash of their token
}

// mostSessions is how many there are at a time.
const mostSessions = 1000

// idle is how long a session lasts that nobody uses: a shift that nobody ends, or what is left open in an office.
func (r Role) idle() time.Duration {
	if r.PIN() {
		return 16 * time.Hour
	}
	return 30 * time.Minute
}

// NewSessions returns none, of those accounts.
func NewSessions(x *Accounts) *Sessions {
	x.read() // what is wrong is told by Fault
	return &Sessions{accounts: x, all: map[[sha256.Size]byte]*session{}}
}

// SignIn signs somebody in, and returns what they are known by from then on. It takes as long as argon2id does.
func (s *Sessions) SignIn(name, secret string) (token string, now Session, err error) {
	k, err := s.accounts.check(name, secret)
	if err != nil {
		return "", Session{}, err
	}
	how := map[bool]string{true: PIN, false: Password}[k.Role.PIN()]
	token, now = s.add(session{Session: Session{Actor: Actor{k.Name, how}, Role: k.Role}, account: k.Name, hash: k.Hash})
	return token, now, nil
}

// ByName signs somebody in as a guard by a name alone: a stand-in, in the place of the session before, on whose account it rests. Without
// one it lasts as long as no guard can sign in otherwise.
func (s *Sessions) ByName(name, before string) (token string, _ Session) {
	is := session{Session: Session{Actor: Actor{tidy(name), Unauthenticated}, Role: Guard}}
	s.mu.Lock()
	if b := s.live(before, time.Now()); b != nil {
		is.account, is.hash = b.account, b.hash
	}
	s.mu.Unlock()
	s.End(before)
	return s.add(is)
}

func (s *Sessions) add(is session) (token string, _ Session) {
	token, is.Since, is.used = random(), time.Now(), time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.all) >= mostSessions {
		var oldest [sha256.Size]byte
		for h, o := range s.all {
			if was := s.all[oldest]; was == nil || o.used.Before(was.used) {
				oldest = h
			}
		}
		delete(s.all, oldest)
	}
	s.all[sha256.Sum256([]byte(token))] = &is
	return token, is.Session
}

// End signs somebody off.
func (s *Sessions) End(token string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.all, sha256.Sum256([]byte(token)))
}

// Of is who is known by a token, and still signed in. Whoever uses it for something stays so longer.
func (s *Sessions) Of(token string, uses bool) (_ Session, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	is := s.live(token, time.Now())
	if is == nil {
		return Session{}, false
	}
	if uses {
		is.used = time.Now()
	}
	return is.Session, true
}

// live is the session of a token; nil: it has ended, or there was none. The caller holds mu.
func (s *Sessions) live(token string, now time.Time) *session {
	h := sha256.Sum256([]byte(token))
	is := s.all[h]
	if is == nil || now.Sub(is.used) < is.Role.idle() && s.accounts.bears(is) {
		return is
	}
	delete(s.all, h)
	return nil
}

// bears tells whether what a session rests on is still so, as far as is known: while the file is damaged who is signed in stays so.
func (x *Accounts) bears(is *session) bool {
	if is.account == "" {
		return x.Unguarded()
	}
	x.known.Lock()
	defer x.known.Unlock()
	return slices.ContainsFunc(x.all, func(k kept) bool {
		return k.Name == is.account && k.Hash == is.hash && !k.Disabled
	})
}

// OfProgram is who is known by the token of a program.
func (s *Sessions) OfProgram(token string) (_ Session, ok bool) {
	hash := tokenHash(token)
	s.accounts.known.Lock()
	defer s.accounts.known.Unlock()
	i := slices.IndexFunc(s.accounts.all, func(k kept) bool { return k.Token && k.Hash == hash && !k.Disabled })
	if i < 0 {
		return Session{}, false
	}
	k := s.accounts.all[i]
	return Session{Actor: Actor{k.Name, Password}, Role: k.Role}, true
}

// Unguarded tells whether no guard could sign in: the file is damaged, or has none. That locks no gate: a name is enough then.
func (x *Accounts) Unguarded() bool {
	x.known.Lock()
	defer x.known.Unlock()
	return x.fault != nil || !slices.ContainsFunc(x.all, func(k kept) bool { return !k.Disabled && !k.Token && k.Role.May(Decide) })
}

// Locked are those who were tried too often; any: there are accounts at all.
func (x *Accounts) Locked() (list []Account, any bool) {
	x.known.Lock()
	defer x.known.Unlock()
	now := x.now()
	for _, k := range x.all {
		if any = any || !k.Token; now.Before(k.LockedUntil()) && !k.Disabled {
			list = append(list, k.Account)
		}
	}
	return list, any
}
