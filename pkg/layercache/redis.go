// SPDX-License-Identifier: Apache-2.0

package layercache

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/gomodule/redigo/redis"
)

// Redis says where a Redis or Valkey is, and how to use it. Its password is in nothing
// that is shown.
type Redis struct {
	addr, host         string
	username, password string
	db                 int
	tls                bool

	// TTL is how long an entry lives; default DefaultTTL.
	TTL time.Duration
	// CAs are whom TLS trusts; nil for the system's.
	CAs *x509.CertPool
}

// DefaultTTL is longer than most base images live.
const DefaultTTL = 30 * 24 * time.Hour

// errRedisURL shows nothing of the URL, which may hold a password.
var errRedisURL = errors.New("not of the form redis://[USER:PASSWORD@]HOST[:PORT][/DB], or rediss:// for TLS")

// ParseRedis reads a URL. The password is the given one where the URL has none.
func ParseRedis(s, password string) (*Redis, error) {
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "redis" && u.Scheme != "rediss" || u.Hostname() == "" || u.Opaque != "" ||
		u.RawQuery != "" || u.ForceQuery || u.Fragment != "" {
		return nil, errRedisURL
	}
	r := &Redis{host: u.Hostname(), tls: u.Scheme == "rediss", password: password}
	port := cmp.Or(u.Port(), "6379")
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return nil, errRedisURL
	}
	r.addr = net.JoinHostPort(r.host, port)
	if db := strings.TrimPrefix(u.Path, "/"); db != "" {
		n, err := strconv.ParseUint(db, 10, 16)
		if err != nil {
			return nil, errRedisURL
		}
		r.db = int(n)
	}
	if u.User != nil {
		r.username = u.User.Username()
		if p, ok := u.User.Password(); ok {
			r.password = p
		}
	}
	return r, nil
}

// A Redis that does not answer must not cost more than these. slack is the time that one
// request may take and not count as slow; maxLost is what all slow ones may take in a run.
const (
	dialTimeout    = 500 * time.Millisecond
	requestTimeout = 2 * time.Second
	slack          = 100 * time.Millisecond
	maxLost        = 2 * time.Second
)

// connections is how many requests go on at once: as many as layers are in flight.
const connections = 8

// remote keeps entries in Redis. After its first failure it is not asked any more.
type remote struct {
	addr string
	pool *redis.Pool
	ttl  time.Duration
	warn func(string)

	mu       sync.Mutex
	off      bool
	readOnly bool
	lost     time.Duration
}

func newRemote(o *Redis, warn func(string)) *remote {
	return &remote{addr: o.addr, ttl: cmp.Or(o.TTL, DefaultTTL), warn: warn,
		pool: &redis.Pool{DialContext: o.connect, MaxActive: connections, MaxIdle: connections, Wait: true,
			// Servers hang up on connections that nobody uses for minutes, as while a layer is analysed.
			IdleTimeout: 30 * time.Second}}
}

// connect dials and logs in.
func (o *Redis) connect(ctx context.Context) (redis.Conn, error) {
	return redis.DialContext(ctx, "tcp", o.addr, redis.DialContextFunc(o.dial), redis.DialReadTimeout(dialTimeout), redis.DialWriteTimeout(requestTimeout),
		redis.DialUsername(o.username), redis.DialPassword(o.password), redis.DialDatabase(o.db))
}

func (o *Redis) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	var d net.Dialer
	conn, err := d.DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	if !o.tls {
		return &guarded{Conn: conn}, nil
	}
	secure := tls.Client(conn, &tls.Config{ServerName: o.host, RootCAs: o.CAs, MinVersion: tls.VersionTLS12})
	if err := secure.HandshakeContext(ctx); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return &guarded{Conn: secure}, nil
}

func (r *remote) close() { _ = r.pool.Close() } // what was sent was answered

// redisKey is the key of an entry; the number is that of the format.
func redisKey(kind, name string) string { return "ocigate:1:" + kind + ":" + name }

// get returns errNone where there is none, or Redis is not to be asked.
func (r *remote) get(ctx context.Context, kind, name string) ([]byte, error) {
	if r.isOff() {
		return nil, errNone
	}
	b, err := redis.Bytes(r.request(ctx, "GET", redisKey(kind, name)))
	switch {
	case err == nil:
		return b, nil
	case errors.Is(err, redis.ErrNil):
		return nil, errNone
	case replyCode(err) == "WRONGTYPE":
		return nil, nil // somebody put something else there: it has no seal
	}
	r.fail(ctx, err)
	return nil, errNone
}

func (r *remote) put(ctx context.Context, kind, name string, sealed []byte) {
	r.mu.Lock()
	skip := r.off || r.readOnly
	r.mu.Unlock()
	if skip {
		return
	}
	_, err := r.request(ctx, "SET", redisKey(kind, name), sealed, "PX", r.ttl.Milliseconds())
	if code := replyCode(err); code != "" && !isAuthentication(code) {
		// It answers, and refuses to be written to: what it holds can be read all the same.
		r.mu.Lock()
		first := !r.off && !r.readOnly
		r.readOnly = true
		r.mu.Unlock()
		if first {
			r.warn(fmt.Sprintf("the layer cache at %s keeps nothing: it answered %s", r.addr, code))
		}
		return
	}
	if err != nil {
		r.fail(ctx, err)
	}
}

// request bounds the time of one request, and of all slow ones together.
func (r *remote) request(ctx context.Context, command string, args ...any) (any, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	start := time.Now()
	reply, err := r.do(ctx, command, args)
	r.spent(time.Since(start), err)
	return reply, err
}

func (r *remote) do(ctx context.Context, command string, args []any) (reply any, err error) {
	// A panic of the library on something that a server sent is a bad reply.
	defer func() {
		if p := recover(); p != nil {
			reply, err = nil, errReply
		}
	}()
	conn, err := r.pool.GetContext(ctx)
	if err != nil {
		return nil, err
	}
	defer conn.Close() // back to the pool
	return redis.DoWithTimeout(conn, requestTimeout, command, args...)
}

// spent counts what a request took. One that failed turns Redis off anyway.
func (r *remote) spent(d time.Duration, err error) {
	if d <= slack {
		return
	}
	r.mu.Lock()
	r.lost += d - slack
	slow := r.lost > maxLost
	r.mu.Unlock()
	if slow && err == nil {
		r.turnOff("it is slow")
	}
}

func (r *remote) isOff() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.off
}

// fail gives up on Redis, unless it is the run that was cancelled.
func (r *remote) fail(ctx context.Context, err error) {
	if ctx.Err() == nil {
		r.turnOff(reason(err))
	}
}

func (r *remote) turnOff(why string) {
	r.mu.Lock()
	first := !r.off
	r.off = true
	r.mu.Unlock()
	if first {
		r.warn(fmt.Sprintf("the layer cache at %s is not used from here on: %s", r.addr, why))
	}
}

// reason says what is wrong in words of our own: what a server says may be anything,
// even the password that it was given.
func reason(err error) string {
	var timeout interface{ Timeout() bool }
	var certificate *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	switch code := replyCode(err); {
	case isAuthentication(code):
		return "it refused the user or the password (" + code + ")"
	case code != "":
		return "it answered " + code
	case errors.As(err, &certificate):
		return "its certificate is not trusted: name its authority with --ca-file"
	case errors.As(err, &record):
		return "it does not speak TLS: write redis://"
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return "it does not answer in time"
	case errors.Is(err, errReply):
		return "what it sends is not Redis's protocol"
	}
	var op *net.OpError
	if errors.As(err, &op) {
		return op.Err.Error() // the system's own words: connection refused
	}
	return "the connection failed"
}

// replyCode is the first word of an error that the server replied with: ERR, WRONGPASS.
func replyCode(err error) string {
	var reply redis.Error
	if !errors.As(err, &reply) {
		return ""
	}
	code, _, _ := strings.Cut(string(reply), " ")
	if !regexp.MustCompile(`^[A-Z]{1,20}$`).MatchString(code) {
		return "an error"
	}
	return code
}

func isAuthentication(code string) bool {
	return code == "WRONGPASS" || code == "NOAUTH"
}
