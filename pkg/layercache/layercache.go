// SPDX-License-Identifier: Apache-2.0

// Package layercache keeps what was learned of layers: in a directory of this machine,
// which any number of processes share without waiting, and behind it, if there is one,
// in a Redis or Valkey that an organisation shares.
//
// An entry is believed only if its seal is that of its kind, key and value. Without a
// secret key the seal is a checksum, which finds damage and nothing else: so it counts
// only in a directory that nobody else can write to. With a secret key it is an
// HMAC-SHA256, in the directory (which a CI system may carry about) as in Redis; and
// Redis is used only with one.
//
// Nothing that goes wrong here is the build's fault: the worst is that a layer is
// analysed again.
package layercache

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"sync"
)

// Options say where entries are kept.
type Options struct {
	// Dir is ocigate's cache directory; entries are kept in its subdirectory "layers".
	Dir string
	// MaxSize bounds what the entries take in Dir; what was not used for longest goes
	// first. Default DefaultMaxSize.
	MaxSize int64
	// Key is the secret that seals entries; empty for none. See CheckKey.
	Key string
	// Redis is shared with other machines; nil for none. It is not used without Key.
	Redis *Redis
	// Warn receives what the user should know, at most a few lines in all; may be nil.
	Warn func(string)
}

// DefaultMaxSize holds some ten thousand layers.
const DefaultMaxSize = 5 << 30

// KeyVariable is the environment variable that holds Options.Key.
const KeyVariable = "OCIGATE_CACHE_KEY"

// minKey keeps a key from being guessed: whoever sees an entry can try keys on it.
const minKey = 32

// CheckKey refuses a key that can be guessed.
func CheckKey(key string) error {
	if key != "" && len(key) < minKey {
		return fmt.Errorf("the key has %d characters: at least %d are needed", len(key), minKey)
	}
	return nil
}

var (
	// errNone is an entry that is not there.
	errNone = errors.New("no such entry")
	// errSeal is an entry that is damaged, of another key, or forged.
	errSeal = errors.New("the entry is damaged or not genuine")
)

// Cache is the cache of one run. Its methods may be called concurrently.
type Cache struct {
	dir    *dir
	remote *remote
	seal   *sealer
	warn   func(string)
	forged sync.Once
}

// Open makes the directory if it is missing. The error is for a directory that cannot
// be used at all; Redis is not asked before the first entry is.
func Open(o Options) (*Cache, error) {
	if err := CheckKey(o.Key); err != nil {
		return nil, err
	}
	d, err := openDir(o.Dir, cmp.Or(o.MaxSize, DefaultMaxSize))
	if err != nil {
		return nil, fmt.Errorf("open the layer cache: %w", err)
	}
	c := &Cache{dir: d, seal: newSealer(o.Key), warn: o.Warn}
	if c.warn == nil {
		c.warn = func(string) {}
	}
	if o.Key == "" && d.foreign {
		c.warn(fmt.Sprintf("the layer cache in %s is not used, because others can write to it: give it to yourself with mode 0700, or set %s", o.Dir, KeyVariable))
		d.close()
		c.dir = nil
	}
	switch {
	case o.Redis == nil:
	case o.Key == "":
		c.warn(fmt.Sprintf("the layer cache at %s is not used: without %s nothing from another machine is believed", o.Redis.addr, KeyVariable))
	default:
		c.remote = newRemote(o.Redis, c.warn)
	}
	return c, nil
}

// Close closes connections. The cache must not be used afterwards.
func (c *Cache) Close() {
	if c.dir != nil {
		c.dir.close()
	}
	if c.remote != nil {
		c.remote.close()
	}
}

// Get returns the value that was put for a kind and key. What is there but not genuine
// is as if it were not there.
func (c *Cache) Get(ctx context.Context, kind, key string) ([]byte, bool) {
	name := c.seal.name(kind, key)
	if c.dir != nil {
		if sealed, used, err := c.dir.get(kind, name); err == nil {
			if value, err := c.seal.open(kind, key, sealed); err == nil {
				c.dir.touch(kind, name, used)
				return value, true
			}
		}
	}
	if c.remote == nil {
		return nil, false
	}
	sealed, err := c.remote.get(ctx, kind, name)
	if err != nil {
		return nil, false
	}
	value, err := c.seal.open(kind, key, sealed)
	if err != nil {
		c.forged.Do(func() {
			c.warn(fmt.Sprintf("the layer cache at %s holds an entry that is damaged or was not sealed with %s; it is not used", c.remote.addr, KeyVariable))
		})
		return nil, false
	}
	if c.dir != nil {
		_ = c.dir.put(kind, name, sealed) // the entry is good all the same
	}
	return value, true
}

// Put keeps a value. The caller vouches for it. The error is for the directory: what
// goes wrong with Redis is a warning.
func (c *Cache) Put(ctx context.Context, kind, key string, value []byte) error {
	if c.dir == nil && c.remote == nil {
		return nil
	}
	sealed, err := c.seal.seal(kind, key, value)
	if err != nil {
		return err
	}
	name := c.seal.name(kind, key)
	if c.dir != nil {
		err = c.dir.put(kind, name, sealed)
	}
	if c.remote != nil {
		c.remote.put(ctx, kind, name, sealed)
	}
	return err
}

// isMissing says whether there is nothing at a path.
func isMissing(err error) bool { return errors.Is(err, fs.ErrNotExist) }
