// SPDX-License-Identifier: Apache-2.0

package layercache

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/ocigate/ocigate/pkg/internal/redistest"
)

// TestPoisonedRedis: whoever can write to Redis, and has no key, changes nothing.
func TestPoisonedRedis(t *testing.T) {
	s := redistest.Start(t)
	url := "redis://" + s.Addr
	good, _ := openCache(t, Options{Key: secret, Redis: parse(t, url)})
	put(t, good, "victim", "true")
	put(t, good, "other", "of another layer")
	ctx := t.Context()
	db := admin(t, s.Addr, "")
	at := func(kind, key string) string { return redisKey(kind, good.seal.name(kind, key)) }
	genuine := mustBytes(t, db("GET", at(kind, "victim")))
	another := mustBytes(t, db("GET", at(kind, "other")))
	if err := good.Put(ctx, "digests", "victim", []byte("a digest's")); err != nil {
		t.Fatal(err)
	}
	ofAnotherKind := mustBytes(t, db("GET", at("digests", "victim")))
	without := newSealer("")
	unsealed, err := without.seal(kind, "victim", []byte("forged"))
	if err != nil {
		t.Fatal(err)
	}
	wrongKey, err := newSealer(strings.Repeat("y", 32)).seal(kind, "victim", []byte("forged"))
	if err != nil {
		t.Fatal(err)
	}
	swapped := slices.Concat(genuine[:headSize], another[headSize:])
	relabelled := bytes.Clone(unsealed)
	relabelled[len(magic)] = sealHMAC
	bomb := slices.Concat(genuine[:headSize], zstdBomb(t, 1<<30))
	flipped := bytes.Clone(genuine)
	flipped[len(flipped)-1] ^= 1
	for name, value := range map[string][]byte{
		"another layer's":        another,
		"another kind's":         ofAnotherKind,
		"a checksum, no HMAC":    unsealed,
		"a checksum called HMAC": relabelled,
		"another secret's":       wrongKey,
		"another value's HMAC":   swapped,
		"cut":                    genuine[:len(genuine)-3],
		"cut in the seal":        genuine[:20],
		"longer":                 append(bytes.Clone(genuine), 0),
		"a bit":                  flipped,
		"a bomb":                 bomb,
		"empty":                  {},
		"text":                   []byte(`{"blob":{"SchemaVersion":2}}`),
		"large":                  make([]byte, maxSealed),
	} {
		t.Run(name, func(t *testing.T) {
			db("SET", at(kind, "victim"), value)
			c, w := openCache(t, Options{Key: secret, Redis: parse(t, url)})
			wantNone(t, c, "victim")
			wantNone(t, c, "victim")
			w.want(t, "is not used")
			// The layer is analysed, and what was planted is replaced.
			put(t, c, "victim", "true")
			again, w := openCache(t, Options{Key: secret, Redis: parse(t, url)})
			wantValue(t, again, "victim", "true")
			w.want(t)
		})
	}
	t.Run("too large", func(t *testing.T) {
		db("SETRANGE", at(kind, "victim"), maxSealed, "x")
		c, w := openCache(t, Options{Key: secret, Redis: parse(t, url)})
		wantNone(t, c, "victim")
		w.want(t, "is not Redis's protocol")
	})
	t.Run("another type", func(t *testing.T) {
		db("DEL", at(kind, "victim"))
		db("LPUSH", at(kind, "victim"), "x")
		c, w := openCache(t, Options{Key: secret, Redis: parse(t, url)})
		wantNone(t, c, "victim")
		put(t, c, "victim", "true")
		w.want(t, "is not used")
		again, _ := openCache(t, Options{Key: secret, Redis: parse(t, url)})
		wantValue(t, again, "victim", "true")
	})
	t.Run("an old entry of the same key", func(t *testing.T) {
		// It says what it said: what a layer holds does not change. That of another
		// analyser or setting has another key.
		db("SET", at(kind, "victim"), genuine)
		c, w := openCache(t, Options{Key: secret, Redis: parse(t, url)})
		wantValue(t, c, "victim", "true")
		w.want(t)
	})
}

// zstdBomb inflates to n zeros.
func zstdBomb(t *testing.T, n int64) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := zstd.NewWriter(&b)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.CopyN(w, zeros{}, n); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) { clear(b); return len(b), nil }

// serve runs a server that does with each connection what handle does.
func serve(t *testing.T, handle func(net.Conn)) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	var open []net.Conn
	t.Cleanup(func() {
		_ = l.Close()
		mu.Lock()
		for _, c := range open {
			_ = c.Close()
		}
		mu.Unlock()
		wg.Wait()
	})
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			open = append(open, c)
			mu.Unlock()
			wg.Go(func() {
				defer c.Close()
				handle(c)
			})
		}
	})
	return l.Addr().String()
}

// answering replies to every request with the same bytes, as often as they are read.
func answering(reply string, forever bool) func(net.Conn) {
	return func(c net.Conn) {
		b := make([]byte, 64<<10)
		for {
			if _, err := c.Read(b); err != nil {
				return
			}
			for {
				if _, err := io.WriteString(c, reply); err != nil {
					return
				}
				if !forever {
					break
				}
			}
		}
	}
}

// TestRudeRedis: what a server that is no Redis does costs one warning.
func TestRudeRedis(t *testing.T) {
	silent := func(c net.Conn) { _, _ = io.Copy(io.Discard, c) }
	for name, tt := range map[string]struct {
		handle func(net.Conn)
		scheme string
		warn   string
	}{
		"accepts and never answers":    {silent, "redis", "does not answer in time"},
		"never answers the handshake":  {silent, "rediss", "does not answer in time"},
		"hangs up":                     {func(net.Conn) {}, "redis", ""},
		"speaks HTTP":                  {answering("HTTP/1.1 400 Bad Request\r\n\r\n", false), "redis", "not Redis's protocol"},
		"speaks HTTP, TLS expected":    {answering("HTTP/1.1 400 Bad Request\r\n\r\n", false), "rediss", "does not speak TLS"},
		"promises a terabyte":          {answering("$1099511627776\r\n", false), "redis", "not Redis's protocol"},
		"promises more than there is":  {answering("$9223372036854775807\r\n", false), "redis", "not Redis's protocol"},
		"promises a million elements":  {answering("*1000000\r\n", false), "redis", "not Redis's protocol"},
		"nests arrays without end":     {answering("*1\r\n", true), "redis", ""},
		"sends large parts of arrays":  {answering("*900\r\n$60000000\r\n", false), "redis", "not Redis's protocol"},
		"sends a line without end":     {answering(strings.Repeat("+", 4096), true), "redis", "not Redis's protocol"},
		"sends a negative length":      {answering("$-7\r\n", false), "redis", "not Redis's protocol"},
		"sends RESP3 maps":             {answering("%1000000000\r\n", false), "redis", "not Redis's protocol"},
		"says something with controls": {answering("-EVIL\x1b[2J hunter2 ::set-output\r\n", false), "redis", ""},
		"echoes the password":          {answering("-ERR hunter2\r\n", false), "redis", "it answered ERR"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			addr := serve(t, tt.handle)
			c, w := openCache(t, Options{Key: secret, Redis: parse(t, tt.scheme+"://:hunter2@"+addr)})
			var wg sync.WaitGroup
			for i := range 8 {
				wg.Go(func() {
					for j := range 4 {
						key := fmt.Sprint(i, "-", j)
						wantNone(t, c, key)
						if err := c.Put(t.Context(), kind, key, []byte(key)); err != nil {
							t.Error(err)
						}
						wantValue(t, c, key, key)
					}
				})
			}
			wg.Wait()
			w.want(t, tt.warn)
			for _, line := range w.lines {
				if strings.ContainsFunc(line, func(r rune) bool { return r < ' ' }) || strings.Contains(line, "set-output") {
					t.Errorf("a server's words are shown: %q", line)
				}
			}
			c.Close()
		})
	}
	t.Run("nobody is there", func(t *testing.T) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		addr := l.Addr().String()
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		c, w := openCache(t, Options{Key: secret, Redis: parse(t, "redis://"+addr)})
		wantNone(t, c, "one")
		w.want(t, "connection refused")
	})
}
