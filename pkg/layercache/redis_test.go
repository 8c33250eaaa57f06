// SPDX-License-Identifier: Apache-2.0

package layercache

import (
	"context"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gomodule/redigo/redis"

	"github.com/ocigate/ocigate/pkg/internal/redistest"
)

const (
	secret = "0123456789abcdef0123456789abcdef"
	kind   = "layers"
)

// warnings collects what a cache says.
type warnings struct {
	mu    sync.Mutex
	lines []string
}

func (w *warnings) add(s string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lines = append(w.lines, s)
}

// want demands one line for each text, in any order, and none besides.
func (w *warnings) want(t *testing.T, texts ...string) {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.lines) != len(texts) {
		t.Fatalf("warnings %q, want %q", w.lines, texts)
	}
	for _, text := range texts {
		if !slices.ContainsFunc(w.lines, func(s string) bool { return strings.Contains(s, text) }) {
			t.Errorf("warnings %q, want %q", w.lines, text)
		}
	}
	for _, line := range w.lines {
		if strings.Contains(line, "hunter2") || strings.Contains(line, secret) {
			t.Errorf("a secret is shown: %s", line)
		}
	}
}

func openCache(t *testing.T, o Options) (*Cache, *warnings) {
	t.Helper()
	w := &warnings{}
	o.Warn = w.add
	if o.Dir == "" {
		o.Dir = t.TempDir()
	}
	c, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c, w
}

func parse(t *testing.T, url string) *Redis {
	t.Helper()
	r, err := ParseRedis(url, "")
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func wantValue(t *testing.T, c *Cache, key, want string) {
	t.Helper()
	if got, ok := c.Get(t.Context(), kind, key); !ok || string(got) != want {
		t.Errorf("%s: %q %t, want %q", key, got, ok, want)
	}
}

func wantNone(t *testing.T, c *Cache, key string) {
	t.Helper()
	if got, ok := c.Get(t.Context(), kind, key); ok {
		t.Errorf("%s: %q, want nothing", key, got)
	}
}

func put(t *testing.T, c *Cache, key, value string) {
	t.Helper()
	if err := c.Put(t.Context(), kind, key, []byte(value)); err != nil {
		t.Fatal(err)
	}
}

// admin sends commands as somebody else would.
func admin(t *testing.T, addr, password string) func(command string, args ...any) any {
	t.Helper()
	c, err := redis.Dial("tcp", addr, redis.DialPassword(password))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return func(command string, args ...any) any {
		t.Helper()
		reply, err := c.Do(command, args...)
		if err != nil {
			t.Fatal(err)
		}
		return reply
	}
}

func mustBytes(t *testing.T, reply any) []byte {
	t.Helper()
	b, err := redis.Bytes(reply, nil)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestRedisIsShared(t *testing.T) {
	s := redistest.Start(t)
	url := "redis://" + s.Addr + "/3"
	a, aw := openCache(t, Options{Key: secret, Redis: parse(t, url)})
	b, bw := openCache(t, Options{Key: secret, Redis: parse(t, url)})
	wantNone(t, b, "one")
	put(t, a, "one", "what was learned")
	wantValue(t, b, "one", "what was learned")

	// Other secrets and other databases are other caches.
	other, _ := openCache(t, Options{Key: strings.Repeat("x", 32), Redis: parse(t, url)})
	wantNone(t, other, "one")
	put(t, other, "one", "other")
	wantValue(t, a, "one", "what was learned")
	elsewhere, _ := openCache(t, Options{Key: secret, Redis: parse(t, "redis://"+s.Addr)})
	wantNone(t, elsewhere, "one")

	// What came from Redis is kept here.
	s.Kill()
	wantValue(t, b, "one", "what was learned")
	aw.want(t)
	bw.want(t)
}

func TestRedisEntriesExpire(t *testing.T) {
	s := redistest.Start(t)
	r := parse(t, "redis://"+s.Addr)
	r.TTL = 36 * time.Hour
	c, _ := openCache(t, Options{Key: secret, Redis: r})
	put(t, c, "one", "value")
	seconds, err := redis.Int64(admin(t, s.Addr, "")("TTL", redisKey(kind, c.seal.name(kind, "one"))), nil)
	if ttl := time.Duration(seconds) * time.Second; err != nil || ttl <= 35*time.Hour || ttl > 36*time.Hour {
		t.Errorf("the entry lives %s: %v", ttl, err)
	}
}

func TestRedisWithPassword(t *testing.T) {
	s := redistest.Start(t, "--requirepass", "hunter2")
	for name, tt := range map[string]struct {
		url, password string
		warn          []string
	}{
		"in the URL":      {"redis://:hunter2@" + s.Addr, "", nil},
		"in the variable": {"redis://" + s.Addr, "hunter2", nil},
		"with a user":     {"redis://default:hunter2@" + s.Addr, "wrong", nil},
		"wrong":           {"redis://:hunter22@" + s.Addr, "", []string{"refused the user or the password"}},
		"none":            {"redis://" + s.Addr, "", []string{"refused the user or the password (NOAUTH)"}},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := ParseRedis(tt.url, tt.password)
			if err != nil {
				t.Fatal(err)
			}
			c, w := openCache(t, Options{Key: secret, Redis: r})
			put(t, c, name, "value")
			put(t, c, name, "value")
			wantValue(t, c, name, "value") // at least from the directory
			wantNone(t, c, "missing")
			w.want(t, tt.warn...)
			n := admin(t, s.Addr, "hunter2")("EXISTS", redisKey(kind, c.seal.name(kind, name)))
			if n != int64(1-len(tt.warn)) {
				t.Errorf("%v entries in Redis", n)
			}
		})
	}
}

func TestRedisWithTLS(t *testing.T) {
	s := redistest.StartTLS(t)
	pem, err := os.ReadFile(s.CAFile)
	if err != nil {
		t.Fatal(err)
	}
	cas := x509.NewCertPool()
	cas.AppendCertsFromPEM(pem)
	for name, tt := range map[string]struct {
		url  string
		cas  *x509.CertPool
		warn []string
	}{
		"trusted":     {"rediss://" + s.Addr, cas, nil},
		"not trusted": {"rediss://" + s.Addr, nil, []string{"--ca-file"}},
		"other name":  {"rediss://" + strings.Replace(s.Addr, "127.0.0.1", "localhost", 1), cas, []string{"--ca-file"}},
		"without TLS": {"redis://" + s.Addr, nil, []string{"is not used from here on"}},
	} {
		t.Run(name, func(t *testing.T) {
			r := parse(t, tt.url)
			r.CAs = tt.cas
			a, w := openCache(t, Options{Key: secret, Redis: r})
			put(t, a, name, "value")
			b, _ := openCache(t, Options{Key: secret, Redis: r})
			if _, ok := b.Get(t.Context(), kind, name); ok != (len(tt.warn) == 0) {
				t.Errorf("shared: %t", ok)
			}
			w.want(t, tt.warn...)
		})
	}
	plain := redistest.Start(t)
	c, w := openCache(t, Options{Key: secret, Redis: parse(t, "rediss://"+plain.Addr)})
	wantNone(t, c, "one")
	w.want(t, "is not used from here on")
}

func TestRedisNeedsTheKey(t *testing.T) {
	var asked sync.Once
	used := false
	addr := serve(t, func(net.Conn) { asked.Do(func() { used = true }) })
	c, w := openCache(t, Options{Redis: parse(t, "redis://"+addr)})
	put(t, c, "one", "value")
	wantValue(t, c, "one", "value")
	wantNone(t, c, "two")
	w.want(t, KeyVariable)
	if used {
		t.Error("Redis was asked without a key")
	}
	if _, err := Open(Options{Dir: t.TempDir(), Key: "short"}); err == nil {
		t.Error("a key that can be guessed was taken")
	}
}

func TestRedisDiesInTheMiddle(t *testing.T) {
	s := redistest.Start(t)
	c, w := openCache(t, Options{Key: secret, Redis: parse(t, "redis://"+s.Addr)})
	put(t, c, "one", "value")
	s.Kill()
	for i := range 20 {
		key := fmt.Sprint("after", i)
		wantNone(t, c, key)
		put(t, c, key, key)
		wantValue(t, c, key, key)
	}
	w.want(t, "is not used from here on")
}

func TestReadOnlyRedis(t *testing.T) {
	s := redistest.Start(t)
	url := "redis://" + s.Addr
	a, _ := openCache(t, Options{Key: secret, Redis: parse(t, url)})
	put(t, a, "one", "value")
	admin(t, s.Addr, "")("ACL", "SETUSER", "reader", "on", ">hunter2", "~*", "+get", "+select")
	b, w := openCache(t, Options{Key: secret, Redis: parse(t, "redis://reader:hunter2@"+s.Addr)})
	put(t, b, "two", "value")
	put(t, b, "three", "value")
	wantValue(t, b, "one", "value")
	w.want(t, "NOPERM")
}

// A server that is only slow may cost some seconds in all, not some at every request.
func TestSlowRedis(t *testing.T) {
	r := &remote{addr: "redis.example.com:6379", warn: func(string) {}}
	w := &warnings{}
	r.warn = w.add
	r.spent(maxLost, nil) // most of it is lost
	r.spent(slack, nil)
	if r.isOff() {
		t.Error("turned off too early")
	}
	r.spent(2*slack, nil)
	r.spent(2*slack, nil)
	if !r.isOff() {
		t.Error("not turned off")
	}
	w.want(t, "slow")
}

func TestCancelledRunWarnsOfNothing(t *testing.T) {
	addr := serve(t, func(c net.Conn) { _, _ = io.Copy(io.Discard, c) })
	c, w := openCache(t, Options{Key: secret, Redis: parse(t, "redis://"+addr)})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, ok := c.Get(ctx, kind, "one"); ok {
		t.Error("found")
	}
	w.want(t)
}

func TestParseRedis(t *testing.T) {
	for url, want := range map[string]Redis{
		"redis://cache":                      {addr: "cache:6379", host: "cache"},
		"rediss://cache.example.com:7000/12": {addr: "cache.example.com:7000", host: "cache.example.com", db: 12, tls: true},
		"redis://:p%40ss@[::1]:7000/":        {addr: "[::1]:7000", host: "::1", password: "p@ss"},
		"redis://user:hunter2@10.0.0.1":      {addr: "10.0.0.1:6379", host: "10.0.0.1", username: "user", password: "hunter2"},
	} {
		got, err := ParseRedis(url, "")
		if err != nil || *got != want {
			t.Errorf("%s: %+v %v", url, got, err)
		}
	}
	for _, url := range []string{"", "cache:6379", "http://cache", "redis:", "redis://", "redis://:hunter2@", "redis://cache:0", "redis://cache:99999", "redis://cache:x/hunter2",
		"redis://cache/a", "redis://cache/-1", "redis://cache/1/2", "rediss://cache?skip_verify=true", "redis://cache?", "redis://cache#hunter2", "redis://ho st:hunter2@x", "unix:///tmp/hunter2"} {
		_, err := ParseRedis(url, "")
		if err == nil {
			t.Errorf("%s is taken", url)
		} else if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", url, err)
		}
	}
}
