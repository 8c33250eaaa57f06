// SPDX-License-Identifier: Apache-2.0

package scan

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"golang.org/x/sync/errgroup"

	ftypes "github.com/aquasecurity/trivy/pkg/fanal/types"

	"github.com/ocigate/ocigate/pkg/evidence"
	"github.com/ocigate/ocigate/pkg/scan/analysis"
	"github.com/ocigate/ocigate/pkg/scan/secret"
)

// Inventory is what analysing an image found, before any vulnerability is matched.
type Inventory struct {
	// Layers are the facts of each layer, Problems what could not be examined.
	Layers   []evidence.LayerFacts
	Problems []evidence.Problem
	// Unreadable are the language files that could not be analysed.
	Unreadable []evidence.Unreadable
	// User is the resolved user of the image configuration.
	User evidence.User
	// Files are the files of interest; Waste is nil where a layer could not be read.
	Files []evidence.File
	Waste *evidence.Waste

	name    string
	records []*record
	config  *ftypes.Secret
	// configSecrets are the values of config's findings; see ConfigSecrets.
	configSecrets []ConfigSecret
	baseLayers    int
	secretScan    bool
	java          *evidence.DatabaseState
	complete      bool
}

// Known says whether the cache holds every layer of the image, so that Analyze
// would open none.
func (s *Scanner) Known(ctx context.Context, img Image) bool {
	unsearched := img.unsearched()
	for i, l := range img.Layers {
		if !s.records.look(ctx, s.key(l.DiffID, !unsearched[i])) {
			return false
		}
	}
	return true
}

// Analyze reads every layer that the cache does not know. A layer that cannot be
// read is a Problem in the result; the error is for a cancelled context only.
func (s *Scanner) Analyze(ctx context.Context, img Image) (*Inventory, error) {
	inv := &Inventory{name: img.Name, complete: true, secretScan: !img.SkipSecrets,
		records: make([]*record, len(img.Layers)), Layers: make([]evidence.LayerFacts, len(img.Layers))}
	java := &javaOnce{open: s.opts.JavaDB}
	defer java.close()
	r := &reading{s: s, inv: inv, java: java, problems: make([]*evidence.Problem, len(img.Layers))}
	if err := r.read(ctx, &img); err != nil {
		return nil, err
	}
	r.finish(img)
	inv.Problems = append(inv.Problems, java.problems(s.explain)...)
	inv.java = java.used()
	inv.records = slices.DeleteFunc(inv.records, func(r *record) bool { return r == nil })
	inv.collectFailures()
	facts := mergeFacts(inv.records)
	inv.User = facts.resolveUser(img.Config.Config.User)
	if !inv.complete && inv.User.Configured != "" && inv.User.UID == nil {
		inv.User.Reason += " (not every layer could be read)"
	}
	inv.listFiles(img)
	s.analyzeConfig(img, inv)
	return inv, nil
}

// reading is the reading of an image's layers.
type reading struct {
	s        *Scanner
	inv      *Inventory
	java     *javaOnce
	problems []*evidence.Problem
}

// read reads the layers, and those again that are searched for secrets where the
// confirmed configuration says otherwise than the first.
func (r *reading) read(ctx context.Context, img *Image) error {
	unsearched := img.unsearched()
	if err := r.layers(ctx, img.Layers, largestFirst(img.Layers), unsearched); err != nil || img.Confirm == nil {
		return err
	}
	config, err := img.Confirm(ctx)
	if err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		p := r.s.layerProblem(Layer{DiffID: img.Name}, err)
		r.inv.Problems, r.inv.complete = append(r.inv.Problems, *p), false
		return nil
	}
	img.Config = config
	confirmed := img.unsearched()
	again := slices.DeleteFunc(largestFirst(img.Layers), func(i int) bool { return confirmed[i] == unsearched[i] })
	return r.layers(ctx, img.Layers, again, confirmed)
}

// layers reads the layers of the given places.
func (r *reading) layers(ctx context.Context, layers []Layer, places []int, unsearched []bool) error {
	eg, egCtx := errgroup.WithContext(ctx)
	eg.SetLimit(r.s.opts.Parallel)
	for _, i := range places {
		l, facts := layers[i], &r.inv.Layers[i]
		*facts = evidence.LayerFacts{Digest: l.Digest, DiffID: l.DiffID, MediaType: l.MediaType,
			CompressedSize: l.CompressedSize, Verification: evidence.LayerNotVerified}
		eg.Go(func() error {
			rec, how, err := r.s.layer(egCtx, l, !unsearched[i], r.java)
			if err != nil {
				if egCtx.Err() != nil {
					return egCtx.Err()
				}
				r.inv.records[i], r.problems[i] = nil, r.s.layerProblem(l, err)
				return nil
			}
			r.inv.records[i] = rec
			facts.Verification, facts.Size, facts.Files = how, rec.Blob.Size, rec.Facts.Files
			return nil
		})
	}
	return eg.Wait()
}

// finish tells the records which layers they are of, and collects what could not be read.
func (r *reading) finish(img Image) {
	unsearched, created := img.unsearched(), createdBy(img.Config, len(img.Layers))
	for i, l := range img.Layers {
		if rec := r.inv.records[i]; rec != nil {
			rec.Blob.Digest, rec.Blob.DiffID, rec.Blob.CreatedBy = l.Digest, l.DiffID, created[i]
		}
		if unsearched[i] && !img.SkipSecrets {
			r.inv.baseLayers++
		}
		if p := r.problems[i]; p != nil {
			r.inv.complete = false
			// One cause, such as a daemon's export that broke off, is one problem.
			if !slices.Contains(r.inv.Problems, *p) {
				r.inv.Problems = append(r.inv.Problems, *p)
			}
		}
	}
}

// layer takes a layer from the cache, if its bytes are accounted for, or analyses it.
func (s *Scanner) layer(ctx context.Context, l Layer, secrets bool, java *javaOnce) (*record, evidence.Verification, error) {
	key := s.key(l.DiffID, secrets)
	if rec := s.records.get(ctx, key); rec != nil && s.sameJava(ctx, rec, java) {
		if l.OnDaemonsWord {
			return rec, evidence.LayerOnDaemonsWord, nil
		}
		stored, err := l.stored(ctx)
		if err != nil {
			return nil, "", err
		}
		if stored == l.DiffID || s.records.diffID(ctx, stored) == l.DiffID {
			return rec, evidence.LayerVerified, nil
		}
	}
	s.progress("analysing layer " + l.DiffID)
	rec, err := s.analyzeLayer(ctx, l, secrets, java)
	if err != nil {
		return nil, "", err
	}
	if len(rec.Failures) > 0 {
		return rec, evidence.LayerVerified, nil // the cause may be this machine: ask again next time
	}
	stored, err := l.stored(ctx)
	if err != nil {
		return nil, "", err
	}
	// A cache that cannot be written costs time later, not the verdict.
	if err := errors.Join(s.records.put(ctx, key, rec), s.records.putDigest(ctx, stored, l.DiffID)); err != nil {
		s.progress("the layer cache cannot be written: " + err.Error())
	}
	return rec, evidence.LayerVerified, nil
}

// stored is the digest of the layer's bytes as they are stored; empty where the source
// has none.
func (l Layer) stored(ctx context.Context) (string, error) {
	if l.HashStored == nil {
		return l.Digest, nil
	}
	return l.HashStored(ctx)
}

// sameJava says whether the jars of a cached layer were named by the Java database
// that is in use now.
func (s *Scanner) sameJava(ctx context.Context, rec *record, java *javaOnce) bool {
	if !rec.Jars {
		return true
	}
	_, err := java.get(ctx)
	return err == nil && java.state.Digest == rec.JavaDB
}

func (s *Scanner) explain(err error) (area evidence.Area, what, hint string) {
	if s.opts.Explain == nil {
		return "", "", ""
	}
	return s.opts.Explain(err)
}

func (s *Scanner) progress(msg string) {
	if s.opts.Progress != nil {
		s.opts.Progress(msg)
	}
}

// key is the cache key of a layer: everything that a record depends on but its bytes.
func (s *Scanner) key(diffID string, secrets bool) string {
	return fmt.Sprintf("%s\n%s\nsecrets=%t\n", s.version, diffID, secrets)
}

// recordVersion changes whenever the meaning of a record does.
const recordVersion = 3

func (s *Scanner) analysisVersion() string {
	versions := map[analysis.Type]int{}
	for _, a := range s.analyzers {
		versions[a.Type] = a.Version
	}
	for _, a := range s.posts {
		versions[a.Type] = a.Version
	}
	b, err := json.Marshal([]any{recordVersion, programVersion(), TrivyVersion, versions, s.opts.Limits})
	if err != nil { // plain maps and numbers always marshal
		return "unknown"
	}
	return string(b)
}

// layerProblem sorts an error into the areas of evidence.
func (s *Scanner) layerProblem(l Layer, err error) *evidence.Problem {
	p := evidence.Problem{Area: evidence.AreaImage, What: "layer " + l.DiffID, Message: err.Error()}
	if l.Digest != "" {
		p.What = "layer " + l.Digest
	}
	var limit *LimitError
	var content *contentError
	area, what, hint := s.explain(err)
	switch {
	case errors.As(err, &limit):
		p.Area, p.Hint = evidence.AreaLimit, "images that need more are refused: an attacker chooses these numbers"
	case area != "":
		p.Area, p.What, p.Hint = area, cmp.Or(what, p.What), hint
	case errors.As(err, &content):
		p.Area, p.Hint = evidence.AreaIntegrity, "build the image again"
	}
	return &p
}

// collectFailures turns failed analysers into problems: of package databases
// always, of language files so that a policy can accept them.
func (inv *Inventory) collectFailures() {
	for _, r := range inv.records {
		for _, f := range r.Failures {
			p := evidence.Problem{Area: evidence.AreaFile, What: f.Path, Analyzer: f.Analyzer, Message: f.Error}
			switch {
			case f.Limit:
				p.Area = evidence.AreaLimit
			case isOSAnalyzer(f.Analyzer):
				p.Area = evidence.AreaPackages
				p.Hint = "the image's package database is damaged: rebuild the image"
			default:
				p.Hint = "repair or remove the file, or accept it with coverage.unreadable in the policy"
				inv.Unreadable = append(inv.Unreadable, evidence.Unreadable{Path: f.Path, Analyzer: f.Analyzer, Error: f.Error, LayerDiffID: r.Blob.DiffID})
			}
			inv.Problems = append(inv.Problems, p)
		}
	}
}

// listFiles says which files are of interest, and what is wasted.
func (inv *Inventory) listFiles(img Image) {
	files, waste, problems := filesOf(inv.records, img.Paths, img.HiddenPaths)
	inv.Files, inv.Problems = files, append(inv.Problems, problems...)
	if inv.complete {
		inv.Waste = waste
	}
}

// analyzeConfig searches the image configuration for secrets.
func (s *Scanner) analyzeConfig(img Image, inv *Inventory) {
	problem := func(msg string) {
		inv.Problems = append(inv.Problems, evidence.Problem{Area: evidence.AreaScan, What: "image configuration", Message: msg})
	}
	defer func() {
		if p := recover(); p != nil {
			problem(fmt.Sprintf("the secret scanner panicked: %v", p))
		}
	}()
	found, values, err := s.secrets.Config(img.Config)
	if err != nil {
		problem(err.Error())
		return
	}
	inv.config = found
	for _, v := range values {
		inv.configSecrets = append(inv.configSecrets, ConfigSecret(v))
	}
}

// unsearched says of each layer whether it is left out of the search for secrets.
func (img Image) unsearched() []bool {
	switch {
	case img.SkipSecrets:
		return slices.Repeat([]bool{true}, len(img.Layers))
	case img.SearchBase:
		return make([]bool, len(img.Layers))
	}
	return baseLayers(img.Config)
}

// lastOfBase is the place in the history of the instruction that Trivy takes for the
// last of a base image, -1 where there is none: the last CMD that a layer follows.
func lastOfBase(history []v1.History) int {
	layer := false
	for i, h := range slices.Backward(history) {
		layer = layer || !h.EmptyLayer
		cmd := strings.HasPrefix(h.CreatedBy, "/bin/sh -c #(nop)  CMD") || strings.HasPrefix(h.CreatedBy, "CMD")
		if layer && h.EmptyLayer && cmd {
			return i
		}
	}
	return -1
}

// baseLayers says of each layer whether Trivy takes it for a base image's, whose
// secrets it leaves to the base image's own scan.
func baseLayers(cfg *v1.ConfigFile) []bool {
	base := make([]bool, len(cfg.RootFS.DiffIDs))
	last := lastOfBase(cfg.History)
	n := 0
	for i, h := range cfg.History {
		if i > last {
			break
		}
		if !h.EmptyLayer && n < len(base) {
			base[n] = true
			n++
		}
	}
	// Trivy compares diff IDs: a layer that occurs again is a base layer everywhere.
	for i, d := range cfg.RootFS.DiffIDs {
		if j := slices.Index(cfg.RootFS.DiffIDs, d); j < i {
			base[i] = base[j]
		}
	}
	return base
}

func createdBy(cfg *v1.ConfigFile, layers int) []string {
	var by []string
	for _, h := range cfg.History {
		if !h.EmptyLayer {
			by = append(by, strings.TrimPrefix(strings.TrimPrefix(h.CreatedBy, "/bin/sh -c "), "#(nop) "))
		}
	}
	if len(by) != layers {
		return make([]string, layers)
	}
	return by
}

// largestFirst is the order in which layers are read. Where sizes say nothing it is that
// of their diff IDs, in which a Docker daemon's export brings them.
func largestFirst(layers []Layer) []int {
	order := make([]int, len(layers))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int {
		x, y := layers[a], layers[b]
		return cmp.Or(cmp.Compare(y.CompressedSize, x.CompressedSize), cmp.Compare(x.DiffID, y.DiffID))
	})
	return order
}

// ConfigSecret is a secret of the image configuration with its value, so that the
// caller can mask it wherever else it stands. It must not be kept.
type ConfigSecret secret.Value

// ConfigSecrets are the secrets that were found in the image configuration.
func (inv *Inventory) ConfigSecrets() []ConfigSecret { return inv.configSecrets }
