// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"crypto/x509"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/ocigate/ocigate/pkg/layercache"
)

// cacheFlags say where what was learned of layers is kept.
type cacheFlags struct {
	none    bool
	shared  string
	ttl     string
	maxSize string
}

func (f *cacheFlags) register(fl *pflag.FlagSet) {
	fl.BoolVar(&f.none, "no-layer-cache", false, "analyse every layer anew and keep nothing")
	fl.StringVar(&f.shared, "cache", "", "share analysed layers with other machines in a Redis or Valkey: redis://[USER:PASSWORD@]HOST[:PORT][/DB], or rediss:// for TLS (default: OCIGATE_CACHE; password also OCIGATE_CACHE_PASSWORD); used only with OCIGATE_CACHE_KEY, which seals entries")
	fl.StringVar(&f.ttl, "cache-ttl", "30d", "how long an entry lives in --cache: 12h, 30d, 2w")
	fl.StringVar(&f.maxSize, "cache-max-size", "5GiB", "what analysed layers may take in the cache directory; those not used for longest go first")
}

// layerCache is what the flags and the environment say of the layer cache.
func (a *app) layerCache(f *cacheFlags) (layercache.Options, error) {
	var o layercache.Options
	if f.none && f.shared != "" {
		return o, errors.New("--cache and --no-layer-cache contradict each other")
	}
	if f.none {
		return o, nil
	}
	var err error
	if o.MaxSize, err = parseSize(f.maxSize); err != nil {
		return o, &hinted{fmt.Errorf("--cache-max-size %q: %w", f.maxSize, err), "write 500MiB or 5GiB"}
	}
	ttl, err := parseAge(f.ttl)
	if err != nil {
		return o, &hinted{fmt.Errorf("--cache-ttl %q: %w", f.ttl, err), "write 12h, 30d or 2w"}
	}
	// A line break at the end is how variables come out of files.
	o.Key = strings.TrimSpace(a.env.Get("OCIGATE_CACHE_KEY"))
	if err := layercache.CheckKey(o.Key); err != nil {
		return o, &hinted{fmt.Errorf("OCIGATE_CACHE_KEY: %w", err), "make one with `openssl rand -hex 32`"}
	}
	where, from := f.shared, "--cache"
	if where == "" {
		where, from = a.env.Get("OCIGATE_CACHE"), "OCIGATE_CACHE"
	}
	if where == "" {
		return o, nil
	}
	if o.Redis, err = layercache.ParseRedis(where, a.env.Get("OCIGATE_CACHE_PASSWORD")); err != nil {
		return o, &hinted{fmt.Errorf("%s is %w", from, err), "the directory on this machine is --cache-dir"}
	}
	o.Redis.TTL = ttl
	return o, nil
}

// openLayerCache opens the cache of a run; nil where there is none.
func (a *app) openLayerCache(f *checkFlags, cacheDir string, cas *x509.CertPool, p *progress) (*layercache.Cache, error) {
	if f.cache.none {
		return nil, nil
	}
	o, err := a.layerCache(&f.cache)
	if err != nil {
		return nil, err
	}
	o.Dir, o.Warn = cacheDir, p.warn
	if o.Redis != nil {
		o.Redis.CAs = cas
		if f.offline {
			p.warn("the layer cache that is shared is not used: --offline")
			o.Redis = nil
		}
	}
	c, err := layercache.Open(o)
	if err != nil {
		return nil, &failure{&hinted{err, "set --cache-dir to a directory that can be written, or use --no-layer-cache"}}
	}
	return c, nil
}

// maxAge is a hundred years: more is a mistake.
const maxAge = 36500 * 24 * time.Hour

// parseAge reads 12h, 30d or 2w.
func parseAge(s string) (time.Duration, error) {
	unit := map[string]time.Duration{"h": time.Hour, "d": 24 * time.Hour, "w": 7 * 24 * time.Hour}[s[max(len(s)-1, 0):]]
	if unit == 0 {
		return 0, errors.New("no number of hours, days or weeks")
	}
	n, err := strconv.ParseUint(s[:len(s)-1], 10, 31)
	switch {
	case err != nil || n == 0:
		return 0, errors.New("no number of hours, days or weeks")
	case n > uint64(maxAge/unit):
		return 0, errors.New("too long")
	}
	return time.Duration(n) * unit, nil
}

// minCacheSize is what a few layers need.
const minCacheSize = 1 << 20

// parseSize reads a size as policies have it.
func parseSize(s string) (int64, error) {
	digits := strings.TrimRight(s, "BkKMGi")
	unit := map[string]int64{"kB": 1e3, "MB": 1e6, "GB": 1e9, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}[s[len(digits):]]
	n, err := strconv.ParseUint(digits, 10, 31)
	switch {
	case unit == 0 || err != nil || int64(n) > (1<<50)/unit:
		return 0, errors.New("no size")
	case int64(n)*unit < minCacheSize:
		return 0, errors.New("less than 1MiB")
	}
	return int64(n) * unit, nil
}
