package admin

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"log/slog"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/crypto/bcrypt"
)

// Role is what a user may do.
type Role string

// The roles.
const (
	Viewer   Role = "viewer"   // may GET
	Operator Role = "operator" // may POST too
)

// User may sign in. A Role that is not Operator is Viewer.
type User struct {
	Name         string
	PasswordHash string // bcrypt
	Role         Role
}

const (
	// rememberFor is how long a password that was right is not hashed again: a
	// scrape each 15 seconds would cost 60 ms of a core each time. A user that is
	// taken out of the config, or gets another password, is out at once all the same.
	rememberFor = time.Minute
	// maxRemembered bounds the memory of it.
	maxRemembered = 1024
)

// door knows who may come in. It is safe for concurrent use.
type door struct {
	users   func() []User
	now     func() time.Time
	log     *slog.Logger
	compare func(hash, password []byte) error // bcrypt's
	// slot lets one password be hashed at a time: guessing must not take the
	// processor from webhooks.
	slot chan struct{}
	key  [32]byte // of the process, so that what is remembered is no password's hash elsewhere

	brake brake

	mu         sync.Mutex
	remembered map[[32]byte]time.Time // until when
}

// identify says whose request it is. Who was right within the last minute is
// let in before the brake is looked at, so that nobody can lock out a scraper
// or an operator at work by guessing from behind the same address.
func (d *door) identify(ctx context.Context, r *http.Request, users []User) (User, error) {
	name, password, ok := r.BasicAuth()
	if !ok {
		return User{}, &problem{Status: http.StatusUnauthorized, Detail: "sign in with a user of admin.users", signIn: true}
	}
	user, known := find(users, name)
	memory := d.memoryOf(user, password)
	if known && d.recalls(memory) {
		return user, nil
	}

	from := addressOf(r)
	if err := d.braked(from); err != nil {
		return User{}, err
	}
	select {
	case d.slot <- struct{}{}:
		defer func() { <-d.slot }()
	case <-ctx.Done():
		return User{}, &problem{Status: http.StatusServiceUnavailable, Detail: "too many are signing in", retryAfter: 5 * time.Second}
	}
	// Those who queued beside a hundred wrong guesses are not checked after them.
	if err := d.braked(from); err != nil {
		return User{}, err
	}
	if err := d.compare([]byte(user.PasswordHash), []byte(password)); err != nil || !known {
		if d.brake.failed(from, d.now()) {
			d.log.Warn("too many wrong passwords from one address", "address", from.String())
		}
		return User{}, &problem{Status: http.StatusUnauthorized, Detail: "the user name or the password is wrong", signIn: true}
	}
	d.remember(memory)
	return user, nil
}

func (d *door) braked(from netip.Prefix) error {
	wait := d.brake.wait(from, d.now())
	if wait <= 0 {
		return nil
	}
	return &problem{Status: http.StatusTooManyRequests, Detail: "too many wrong passwords from this address", retryAfter: wait}
}

// find returns the user with this name. For an unknown one it returns the user
// whose hash takes longest, to compare with: the time says nothing about names.
func find(users []User, name string) (u User, known bool) {
	most := -1
	for _, candidate := range users {
		if candidate.Name == name {
			return candidate, true
		}
		if cost, err := bcrypt.Cost([]byte(candidate.PasswordHash)); err == nil && cost > most {
			u, most = candidate, cost
		}
	}
	return u, false
}

// memoryOf is what is remembered of a password that was right: a hash with the
// process's key over it and what it was compared with.
func (d *door) memoryOf(u User, password string) (sum [32]byte) {
	mac := hmac.New(sha256.New, d.key[:])
	for _, s := range []string{u.Name, u.PasswordHash, password} {
		var n [8]byte
		binary.BigEndian.PutUint64(n[:], uint64(len(s)))
		mac.Write(n[:])
		mac.Write([]byte(s))
	}
	mac.Sum(sum[:0])
	return sum
}

func (d *door) recalls(memory [32]byte) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.now().Before(d.remembered[memory])
}

func (d *door) remember(memory [32]byte) {
	now := d.now()
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.remembered == nil || len(d.remembered) >= maxRemembered {
		d.remembered = map[[32]byte]time.Time{} // costs those in it one hash each
	}
	d.remembered[memory] = now.Add(rememberFor)
}
