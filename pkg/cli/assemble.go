// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/ocigate/ocigate/pkg/evidence"
	"github.com/ocigate/ocigate/pkg/gate"
	"github.com/ocigate/ocigate/pkg/image"
	"github.com/ocigate/ocigate/pkg/layercache"
	"github.com/ocigate/ocigate/pkg/scan"
	"github.com/ocigate/ocigate/pkg/vulndb"
)

// assemble wires the packages that do the work to the gate that orders it; done is
// called when it has done it.
func (a *app) assemble(req gate.Request, f *checkFlags, runDir string, connections *image.Connections, p *progress) (g *gate.Gate, done func(), err error) {
	cacheDir, err := a.cacheDir(f.cacheDir)
	if err != nil {
		return nil, nil, err
	}
	images, err := a.imageOptions(f, runDir)
	if err != nil {
		return nil, nil, err
	}
	images.Connections = connections
	transport, err := image.Transport(images)
	if err != nil {
		return nil, nil, err
	}
	signatures := a.signatures(req.Policy, images, transport, cacheDir, f.offline, p)
	ahead := images
	ahead.Found = signatures.ahead(req.Policy)
	g = &gate.Gate{Images: opener{ahead}, Bases: opener{images}, Progress: p.phase, Signatures: signatures}
	if req.Scope != "" {
		return g, func() {}, nil
	}
	cache, err := a.openLayerCache(f, cacheDir, images.CAs, p)
	if err != nil {
		return nil, nil, err
	}
	done = func() {
		if cache != nil {
			cache.Close()
		}
	}
	if err := assembleScan(g, f, images, transport, cacheDir, cache, p); err != nil {
		done()
		return nil, nil, err
	}
	if !f.offline && !f.noFixLookup {
		g.NewerBases = newerBases{opener{images}, transport, image.Keychain(images), f.network.insecure}
	}
	return g, done, nil
}

// assembleScan adds what looks into layers.
func assembleScan(g *gate.Gate, f *checkFlags, images image.Options, transport http.RoundTripper, cacheDir string, cache *layercache.Cache, p *progress) error {
	db := vulndb.Options{
		CacheDir: cacheDir, Dir: f.database.dir, Downloads: f.database.downloads, Offline: f.offline,
		Repositories: f.database.repositories, JavaRepositories: f.database.javaRepositories,
		Transport: transport, Keychain: image.Keychain(images), InsecureHosts: f.network.insecure,
		Now: time.Now(), Progress: p.phase,
	}
	opts := scan.Options{Progress: p.detail, JavaDB: javaOpener(db), Explain: explain}
	if cache != nil {
		opts.Cache = cache
	}
	g.Scanner = &scanAdapter{scan.New(opts)}
	g.OpenDatabase = func(ctx context.Context) (*gate.OpenedDatabase, error) { return openDatabase(ctx, db) }
	return nil
}

func (a *app) imageOptions(f *checkFlags, runDir string) (image.Options, error) {
	return a.registryOptions(f.network, runDir)
}

func (a *app) registryOptions(f networkFlags, runDir string) (image.Options, error) {
	o := image.Options{InsecureRegistries: f.insecure, Getenv: a.env.Get, TempDir: runDir}
	if f.caFile == "" {
		return o, nil
	}
	pem, err := os.ReadFile(f.caFile)
	if err != nil {
		return o, fmt.Errorf("--ca-file: %w", err)
	}
	if o.CAs, err = x509.SystemCertPool(); err != nil {
		o.CAs = x509.NewCertPool()
	}
	if !o.CAs.AppendCertsFromPEM(pem) {
		return o, &hinted{fmt.Errorf("--ca-file %s holds no certificate", f.caFile), "it must be in PEM form"}
	}
	return o, nil
}

type opener struct{ opts image.Options }

func (o opener) Open(ctx context.Context, reference string) (*image.Set, error) {
	return image.Open(ctx, reference, o.opts)
}

func openDatabase(ctx context.Context, o vulndb.Options) (*gate.OpenedDatabase, error) {
	db, err := vulndb.Ensure(ctx, o)
	if err != nil {
		return nil, err
	}
	platforms, err := db.Platforms()
	if err != nil {
		return nil, err
	}
	closeDB, err := db.Open(ctx)
	if err != nil {
		return nil, err
	}
	return &gate.OpenedDatabase{State: db.State, Platforms: platforms, Close: closeDB}, nil
}

// javaOpener fetches the Java database once per run, and only if a jar shows.
func javaOpener(o vulndb.Options) func(context.Context) (string, evidence.DatabaseState, error) {
	var mu sync.Mutex
	var db *vulndb.Database
	return func(ctx context.Context) (string, evidence.DatabaseState, error) {
		mu.Lock()
		defer mu.Unlock()
		if db == nil {
			opened, err := vulndb.EnsureJava(ctx, o)
			if err != nil {
				return "", evidence.DatabaseState{}, err
			}
			db = opened
		}
		// Trivy wants the directory that holds java-db/.
		return filepath.Dir(db.Dir), db.State, nil
	}
}

// scanAdapter makes a gate.Scanner of Trivy's.
type scanAdapter struct{ scanner *scan.Scanner }

func (s *scanAdapter) Scan(ctx context.Context, img *image.Image, db *gate.Database, ask gate.ScanRequest) (*evidence.Evidence, error) {
	in := scan.Image{Name: img.Subject.Reference, Config: img.Config, Paths: ask.Paths, HiddenPaths: ask.HiddenPaths,
		SkipSecrets: ask.SkipSecrets, SearchBase: ask.BaseSecrets}
	for _, l := range img.Layers {
		in.Layers = append(in.Layers, toScanLayer(img, l))
	}
	if img.OnDaemonsWord && !s.scanner.Known(ctx, in) {
		byExport(&in, img)
	}
	inv, err := s.scanner.Analyze(ctx, in)
	e := &evidence.Evidence{Image: imageFacts(img)}
	if err != nil {
		e.Problems = configFacts(e, img, nil)
		return e, err
	}
	e.Image.User, e.Layers, e.Problems = inv.User, inv.Layers, inv.Problems
	e.Files, e.Waste = inv.Files, inv.Waste
	e.Coverage.Unreadable = inv.Unreadable
	e.Problems = append(e.Problems, configFacts(e, img, inv)...)

	opened, err := db.Wait(ctx)
	if err != nil {
		if ctx.Err() != nil {
			return e, ctx.Err()
		}
		e.Problems = append(e.Problems, databaseProblem(err))
		return e, nil
	}
	e.Database = opened.State
	e.Database.Java = inv.JavaDatabase()
	m, err := s.scanner.Detect(ctx, inv, opened.Platforms, ask.EffectiveTime)
	if err != nil {
		return e, err
	}
	e.Packages, e.Findings, e.Coverage = m.Packages, m.Findings, m.Coverage
	hashConfigSecrets(e.Findings, img, inv)
	e.Problems = append(e.Problems, m.Problems...)
	return e, nil
}

// byExport has the layers of a daemon's image read while its export comes. Everything
// is verified then: the layers that the cache knows are hashed, and the configuration is
// the export's.
func byExport(in *scan.Image, img *image.Image) {
	in.Confirm = func(ctx context.Context) (*v1.ConfigFile, error) {
		if err := img.Export(ctx); err != nil {
			return nil, err
		}
		return img.Config, nil
	}
	for i, l := range img.Layers {
		in.Layers[i].OnDaemonsWord, in.Layers[i].HashStored = false, storedDigest(l)
	}
}

func databaseProblem(err error) evidence.Problem {
	p := evidence.Problem{Area: evidence.AreaDatabase, What: "vulnerability database", Message: err.Error()}
	var db *vulndb.Error
	if errors.As(err, &db) {
		p.Hint = db.Hint
	}
	return p
}

// explain sorts the errors of pkg/image and pkg/vulndb for the scanner.
func explain(err error) (area evidence.Area, what, hint string) {
	var integrity *image.IntegrityError
	var open *image.Error
	var db *vulndb.Error
	switch {
	case errors.Is(err, syscall.ENOSPC):
		return evidence.AreaImage, "temporary files", "make room, or set TMPDIR to a directory that has some"
	case errors.As(err, &integrity):
		return evidence.AreaIntegrity, integrity.Blob, "do not use this image: build or pull it again"
	case errors.As(err, &open):
		if open.Kind == image.KindLimit {
			return evidence.AreaLimit, open.Subject, open.Hint
		}
		return evidence.AreaImage, open.Subject, open.Hint
	case errors.As(err, &db):
		return evidence.AreaDatabase, db.Subject, db.Hint
	}
	return "", "", ""
}

func imageFacts(img *image.Image) evidence.ImageFacts {
	f := evidence.ImageFacts{User: evidence.User{Configured: img.Config.Config.User}}
	if t := img.Config.Created.Time; !t.IsZero() {
		u := t.UTC()
		f.Created = &u
	}
	return f
}

func toScanLayer(img *image.Image, l *image.Layer) scan.Layer {
	out := scan.Layer{DiffID: l.DiffID.String(), MediaType: l.MediaType, CompressedSize: l.CompressedSize,
		Open: l.Open, OnDaemonsWord: img.OnDaemonsWord}
	if l.Digest.Hex != "" {
		out.Digest = l.Digest.String()
	}
	switch img.Subject.Source {
	case evidence.SourceDockerDaemon:
	case evidence.SourceRegistry:
		// Content is by digest there; a layer that is refused is so on a cache hit, too.
		out.HashStored = func(context.Context) (string, error) { return out.Digest, l.Refused() }
	default:
		out.HashStored = storedDigest(l)
	}
	return out
}

func storedDigest(l *image.Layer) func(context.Context) (string, error) {
	return func(ctx context.Context) (string, error) {
		h, err := l.StoredDigest(ctx)
		return h.String(), err
	}
}
