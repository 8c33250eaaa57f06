// SPDX-License-Identifier: Apache-2.0

package signature

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path"
	"strings"
	"time"

	"github.com/sigstore/sigstore-go/pkg/root"
	"github.com/sigstore/sigstore-go/pkg/tuf"
	"github.com/theupdateframework/go-tuf/v2/metadata"
)

const (
	tufTimeout     = 20 * time.Second
	tufRequestTime = 10 * time.Second
	tufFresh       = 24 * time.Hour
	tufTarget      = "trusted_root.json"
)

// tufRepository is a TUF repository, and the root.json that trust in it begins with.
type tufRepository struct {
	mirror string
	root   []byte
}

func publicGoodRepository() tufRepository {
	return tufRepository{tuf.DefaultMirror, tuf.DefaultRoot()}
}

// tufRoot is the repository's trusted root: the copy in the cache, if it is of the last
// day or nothing may be fetched. The copy is verified each time like anything fetched.
//
// The library's own cache is not for several processes at once. So it works in a
// directory that exists for this call only, and the cache is one file beside it.
func (v *Verifier) tufRoot(ctx context.Context, r tufRepository) (root.TrustedMaterial, error) {
	if err := checkMirror(r.mirror); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, tufTimeout)
	defer cancel()
	cache, anchor, err := v.anchored(r)
	if err != nil {
		return nil, problemf("name the root.json of the TUF repository", "the root.json for %s cannot be used: %v", r.mirror, err)
	}
	dir, err := v.scratch()
	if err != nil {
		return nil, fmt.Errorf("no directory for TUF metadata: %w", err)
	}
	defer os.RemoveAll(dir)
	local := path.Join(dir, tuf.URLToPath(r.mirror))
	if err := cache.unpack(local); err != nil {
		return nil, fmt.Errorf("unpacking TUF metadata: %w", err)
	}
	f := v.fetcher(ctx, r.mirror)
	data, err := refresh(&tuf.Options{
		Root: anchor, RepositoryBaseURL: r.mirror, CachePath: dir, Fetcher: f,
		ForceCache: v.opts.Offline || cache.fresh(v.now()),
	})
	if err != nil {
		return nil, v.tufProblem(ctx, r, f, err)
	}
	m, err := parseRoot(r.mirror, data)
	if err != nil {
		return nil, err
	}
	if f.fetched {
		v.writeCopy(r, cache.renewed(local, f, v.now()))
	}
	return m, nil
}

// anchored reads the copy, and the newest root that it leads to.
func (v *Verifier) anchored(r tufRepository) (c tufCopy, anchor []byte, err error) {
	if _, err := c.anchor(r.root); err != nil { // an empty copy: the policy's own fault
		return c, nil, err
	}
	defer func() {
		if recover() != nil { // a copy that breaks the library is none
			c, anchor, err = tufCopy{}, r.root, nil
		}
	}()
	c = v.readCopy(r)
	anchor, err = c.anchor(r.root)
	return c, anchor, err
}

// refresh verifies what is there, fetches what is missing, and returns the target.
func refresh(o *tuf.Options) (data []byte, err error) {
	defer func() {
		if r := recover(); r != nil {
			data, err = nil, fmt.Errorf("its metadata cannot be read: %v", r)
		}
	}()
	c, err := tuf.New(o)
	if err != nil {
		return nil, err
	}
	return c.GetTarget(tufTarget)
}

func (v *Verifier) tufProblem(ctx context.Context, r tufRepository, f *tufFetcher, err error) error {
	const file = "name a trusted_root.json in the policy (trusted-root: {file: …})"
	switch {
	case v.opts.Offline:
		return problemf("run once with network access and the same cache directory, or "+file,
			"the cache holds no valid copy of the trusted root of %s, and offline none is fetched", r.mirror)
	case v.opts.Transport == nil:
		return problemf(file, "the trusted root of %s cannot be fetched without a connection", r.mirror)
	case ctx.Err() != nil:
		return problemf("check the connection and try again, or "+file, "the trusted root of %s could not be fetched: %v", r.mirror, noAnswer(ctx))
	case f.failure != nil:
		err = f.failure
	}
	return problemf("check the mirror and the connection to it, or "+file, "the trusted root of %s could not be fetched: %v", r.mirror, err)
}

// checkMirror accepts https, and http on loopback.
func checkMirror(mirror string) error {
	u, err := url.Parse(mirror)
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" ||
		u.Scheme != "https" && !(u.Scheme == "http" && loopback(u.Hostname())) {
		return problemf("write https://HOST/PATH", "%s is no URL of a TUF mirror", quoted(mirror))
	}
	return nil
}

// scratch makes a directory for one call.
func (v *Verifier) scratch() (string, error) {
	dir, err := os.MkdirTemp("", "ocigate-tuf-")
	if err == nil || v.opts.CacheDir == "" {
		return dir, err
	}
	if err := os.MkdirAll(v.opts.CacheDir, 0o700); err != nil {
		return "", err
	}
	return os.MkdirTemp(v.opts.CacheDir, "tuf-")
}

// tufFetcher fetches from a mirror, within one context, and from no other host.
type tufFetcher struct {
	ctx     context.Context
	client  *http.Client // nil: nothing is fetched
	started func()
	// fetched is true once anything was, refreshed once the newest timestamp was.
	fetched, refreshed bool
	// roots are newer versions of the root of trust, in order.
	roots [][]byte
	// failure is the last one that is more than "not found".
	failure error
}

func (v *Verifier) fetcher(ctx context.Context, mirror string) *tufFetcher {
	f := &tufFetcher{ctx: ctx, started: func() { v.progress("fetching the trusted root of " + mirror) }}
	if v.opts.Offline || v.opts.Transport == nil {
		return f
	}
	f.client = &http.Client{Transport: v.opts.Transport, Timeout: tufRequestTime, CheckRedirect: sameHost}
	return f
}

// sameHost keeps requests on the host that the policy names.
func sameHost(to *http.Request, via []*http.Request) error {
	from := via[0].URL
	if to.URL.Host != from.Host || to.URL.Scheme != from.Scheme {
		return fmt.Errorf("it redirects to another host, %s", to.URL.Host)
	}
	if len(via) > 3 {
		return errors.New("it redirects too often")
	}
	return nil
}

// DownloadFile implements go-tuf's Fetcher.
func (f *tufFetcher) DownloadFile(address string, limit int64, _ time.Duration) ([]byte, error) {
	if f.client == nil {
		return nil, errors.New("nothing is fetched")
	}
	if f.started != nil {
		f.started()
		f.started = nil
	}
	data, err := f.get(address, min(limit, maxCopyFile))
	if err != nil {
		if gone := (*metadata.ErrDownloadHTTP)(nil); !errors.As(err, &gone) || gone.StatusCode != http.StatusNotFound {
			f.failure = err
		}
		return nil, err
	}
	f.fetched = true
	switch name := path.Base(address); {
	case name == "timestamp.json":
		f.refreshed = true
	case strings.HasSuffix(name, ".root.json"):
		f.roots = append(f.roots, data)
	}
	return data, nil
}

func (f *tufFetcher) get(address string, limit int64) ([]byte, error) {
	req, err := http.NewRequestWithContext(f.ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("User-Agent", "ocigate")
	res, err := f.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return nil, &metadata.ErrDownloadHTTP{StatusCode: res.StatusCode, URL: address}
	}
	data, err := io.ReadAll(io.LimitReader(res.Body, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(data)) > limit {
		return nil, &metadata.ErrDownloadLengthMismatch{Msg: fmt.Sprintf("%s has more than %d bytes", address, limit)}
	}
	return data, nil
}

func (v *Verifier) now() time.Time {
	if v.opts.Now != nil {
		return v.opts.Now()
	}
	return time.Now()
}

func (v *Verifier) progress(s string) {
	if v.opts.Progress != nil {
		v.opts.Progress(s)
	}
}
