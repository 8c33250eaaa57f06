// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Request names the policies that are to hold.
type Request struct {
	// Policy is the reference of the policy.
	Policy string
	// Enforce are the policies that stand above it, which it can only tighten.
	Enforce []Enforced
}

// Enforced is a policy that stands above others.
type Enforced struct {
	Reference string
	// SetBy says who set it: "--enforce", "OCIGATE_ENFORCE".
	SetBy string
}

// Document is the bytes of a policy and the way to the files that it names.
type Document struct {
	// Source is how diagnostics and the verdict name the document.
	Source string
	Data   []byte
	// Open reads a file beneath the document's directory; links must not lead out of
	// it. Nil: the document can name no files.
	Open func(ctx context.Context, path string) ([]byte, error)

	level int
}

// Loader fetches policies by reference: a path, "ocigate:baseline", an OCI artifact.
// Which references exist is the loader's business; this package does no I/O.
type Loader interface {
	// Load fetches a document. from is the document that names it, nil for one that
	// the caller names: only that may lie outside of a directory.
	Load(ctx context.Context, reference string, from *Document) (*Document, error)
}

const (
	// maxDepth and maxDocuments bound what `extends` leads to.
	maxDepth     = 8
	maxDocuments = 64
	// maxVariants bounds the combinations of per-image sections, maxNodes their values
	// all together: what is read of them takes some seconds at most.
	maxVariants = 256
	maxNodes    = 3_000_000
	// maxBytes bounds the documents of one policy all together.
	maxBytes = 8 << 20
)

// Load fetches a policy and everything that it extends or names, composes it with
// the enforced policies, and checks the whole. An error of the loader is wrapped;
// mistakes in the documents are a *ParseError with all of them.
func Load(ctx context.Context, req Request, l Loader) (*Policy, error) {
	c := &composer{ctx: ctx, loader: l, sources: map[*yaml.Node]*Document{}, read: map[string][]byte{}}
	levels := make([]*level, 0, len(req.Enforce)+1)
	for _, e := range req.Enforce {
		lv, err := c.level(e.Reference, len(levels), false)
		if err != nil {
			return nil, fmt.Errorf("%w (set by %s)", err, escape(e.SetBy))
		}
		lv.setBy, lv.enforced = e.SetBy, true
		levels = append(levels, lv)
	}
	lv, err := c.level(req.Policy, len(levels), len(levels) > 0)
	if err != nil {
		return nil, err
	}
	levels = append(levels, lv)
	if err := c.failed(); err != nil {
		if len(levels) == 1 && !c.incomplete && lv.root != nil {
			// What is wrong with the whole is shown at once with what is wrong in its parts.
			_, _ = c.variants(levels)
			err = c.failed()
		}
		return nil, cmp.Or(ctx.Err(), err)
	}
	for _, lv := range levels[:len(levels)-1] {
		// Each enforced policy must be whole by itself: what stands below adds nothing to it.
		c.whole(lv.documents[0], lv.root)
	}
	if err := c.failed(); err != nil {
		return nil, err
	}
	if err := c.affordable(levels); err != nil {
		return nil, err
	}
	for _, lv := range levels[:len(levels)-1] {
		for _, s := range lv.sections { // nor to any of its sections
			c.whole(lv.documents[0], c.merge(lv.root, s.body))
		}
	}
	if err := c.failed(); err != nil {
		return nil, err
	}
	return c.variants(levels)
}

// composer resolves the documents of one policy.
type composer struct {
	ctx         context.Context
	loader      Loader
	sources     map[*yaml.Node]*Document
	diagnostics []Diagnostic
	documents   int
	// incomplete is set if something that is extended could not be read: what it would
	// have brought is not missing.
	incomplete bool
	bytes      int
	// read are the files that the documents named, by document and path.
	read      map[string][]byte
	readBytes int
	// parts are what the resolved policy's digest covers.
	parts []Part
}

// level is one of the policies of a Request with what it extends.
type level struct {
	// documents are the policy first, then what it extends.
	documents []*Document
	root      *yaml.Node
	sections  []section
	enforced  bool
	setBy     string
}

func (c *composer) failed() error {
	if len(c.diagnostics) == 0 {
		return nil
	}
	c.diagnostics = sortDiagnostics(c.diagnostics)
	return &ParseError{Diagnostics: c.diagnostics}
}

// level loads a policy and what it extends. below says that it stands below
// enforced ones.
func (c *composer) level(reference string, n int, below bool) (*level, error) {
	lv := &level{}
	root, sections, err := c.resolve(reference, nil, n, below, lv, nil)
	if err != nil {
		return nil, err
	}
	lv.root, lv.sections = root, sections
	return lv, nil
}

// resolve returns the document merged onto everything that it extends, without its
// sections. The node is nil where a diagnostic says why.
func (c *composer) resolve(reference string, from *Document, n int, below bool, lv *level, chain []string) (*yaml.Node, []section, error) {
	if c.documents++; c.documents > maxDocuments {
		return nil, nil, fmt.Errorf("policy %s: more than %d documents", escape(reference), maxDocuments)
	}
	d, err := c.loader.Load(c.ctx, reference, from)
	if err != nil {
		return nil, nil, fmt.Errorf("policy %s: %w", escape(reference), err)
	}
	if c.bytes += len(d.Data); c.bytes > maxBytes {
		return nil, nil, fmt.Errorf("policy %s: its documents have more than %d bytes", escape(reference), maxBytes)
	}
	own := *d // the loader may hand out one document more than once
	d = &own
	d.level = n
	for _, s := range chain {
		if s == d.Source {
			return nil, nil, fmt.Errorf("policy %s: it extends itself by way of %s", escape(d.Source), escape(strings.Join(chain, ", ")))
		}
	}
	if len(chain) >= maxDepth {
		return nil, nil, fmt.Errorf("policy %s: extends more than %d deep", escape(d.Source), maxDepth)
	}
	lv.documents = append(lv.documents, d)
	c.parts = append(c.parts, Part{Level: n, Source: d.Source, Digest: digestOf(d.Data)})
	root, err := c.document(d, below)
	if err != nil || root == nil {
		return nil, nil, err
	}
	body, sections := c.splitSections(root)
	merged := &yaml.Node{}
	for _, parent := range items(child(root, "extends")) {
		if parent.Value == "" {
			continue // reported already
		}
		base, inherited, err := c.resolve(parent.Value, d, n, below, lv, append(chain, d.Source))
		if c.ctx.Err() != nil {
			return nil, nil, c.ctx.Err()
		}
		if isUnavailable(err) {
			return nil, nil, err
		}
		if err != nil {
			c.incomplete = true
			c.diagnostics = append(c.diagnostics, Diagnostic{
				File: d.Source, Position: Position{parent.Line, parent.Column}, Path: "extends",
				Message: escape(err.Error()), Hint: "extend a shipped policy, a file beneath this one's directory, or an OCI artifact by digest",
			})
			continue
		}
		if base == nil {
			c.incomplete = true
			continue
		}
		merged = c.merge(merged, base)
		sections = append(sections, inherited...)
	}
	return c.merge(merged, body), sections, nil
}

// document parses one document by itself, and adds the waivers of the files that it names.
func (c *composer) document(d *Document, below bool) (*yaml.Node, error) {
	p := newParser(d)
	root := p.readDocument()
	if root != nil {
		p.fragment = below || child(root, "extends") != nil || child(root, "images") != nil
		p.parse(root)
		c.adopt(root, d)
	}
	c.diagnostics = append(c.diagnostics, p.diagnostics...)
	if root == nil {
		return nil, nil
	}
	// Also below a document with mistakes: all of all documents are shown at once.
	return root, c.waiverFiles(d, root)
}

// adopt records which document a tree stands in.
func (c *composer) adopt(n *yaml.Node, d *Document) {
	c.sources[n] = d
	for _, child := range n.Content {
		c.adopt(child, d)
	}
}

// whole parses a resolved tree with all checks.
func (c *composer) whole(d *Document, root *yaml.Node) *parser {
	p := newParser(d)
	p.sources = c.sources
	p.parse(root)
	c.diagnostics = append(c.diagnostics, p.diagnostics...)
	return p
}

// affordable bounds the combinations of sections, and what reading all of them takes.
func (c *composer) affordable(levels []*level) error {
	source := escape(levels[len(levels)-1].documents[0].Source)
	n, size := 1, 0
	for _, lv := range levels {
		n *= len(lv.sections) + 1 // of at most a few thousand, so that it does not overflow
		if n > maxVariants {
			return fmt.Errorf("policy %s: more than %d combinations of per-image sections", source, maxVariants)
		}
		size += nodes(lv.root)
	}
	if n > 1 && n*size > maxNodes {
		return fmt.Errorf("policy %s: %d combinations of per-image sections, which is too many for so many rules and waivers", source, n)
	}
	return nil
}

func nodes(n *yaml.Node) int {
	sum := 1
	for _, child := range n.Content {
		sum += nodes(child)
	}
	return sum
}

// variants makes a policy of every combination of sections.
func (c *composer) variants(levels []*level) (*Policy, error) {
	combos := [][]int{nil}
	for _, lv := range levels {
		var next [][]int
		for _, combo := range combos {
			for i := range len(lv.sections) + 1 {
				next = append(next, append(append([]int{}, combo...), i))
			}
		}
		combos = next
	}
	var main *Policy
	variants := map[string]*Policy{}
	for _, combo := range combos {
		pol := c.variant(levels, combo)
		if main == nil {
			main = pol // the first combination has no section
		}
		variants[fmt.Sprint(combo)] = pol
	}
	for _, combo := range combos { // in order: the digest depends on it
		if err := c.readFiles(variants[fmt.Sprint(combo)]); err != nil {
			return nil, err
		}
	}
	if err := c.failed(); err != nil {
		return nil, err
	}
	main.variants = variants
	for _, lv := range levels {
		var list []Section
		for _, s := range lv.sections {
			list = append(list, Section{Match: s.match, Source: c.sources[s.body].Source, Position: Position{s.body.Line, s.body.Column}, Enforced: lv.enforced})
		}
		main.sections = append(main.sections, list)
	}
	c.identify(variants, levels)
	return main, nil
}

// variant composes one section of each level, or none (0).
func (c *composer) variant(levels []*level, combo []int) *Policy {
	own := levels[len(levels)-1]
	p := newParser(own.documents[0])
	p.sources = c.sources
	var root *yaml.Node
	for i, lv := range levels {
		tree := lv.root
		if n := combo[i]; n > 0 {
			tree = c.merge(tree, lv.sections[n-1].body)
		}
		if root == nil {
			root = tree
			continue
		}
		p.tightens(p.documentKeys(), "", root, tree)
		root = c.merge(root, tree)
	}
	if len(p.diagnostics) == 0 {
		p.parse(root)
	}
	c.diagnostics = append(c.diagnostics, p.diagnostics...)
	p.policy.tree = &resolved{root: root, sources: c.sources, combo: combo}
	p.policy.named = p.files
	return p.policy
}

// resolved is the tree that a policy was read from.
type resolved struct {
	root    *yaml.Node
	sources map[*yaml.Node]*Document
	// combo are the per-image sections that apply, by level and counted from 1.
	combo []int
}

// readFiles reads the files that a policy names.
func (c *composer) readFiles(p *Policy) error {
	for _, f := range p.named {
		if f.Data != nil {
			continue
		}
		data, err := c.readFile(f.document, f.Path)
		if err != nil {
			if c.ctx.Err() != nil {
				return c.ctx.Err()
			}
			c.diagnostics = append(c.diagnostics, Diagnostic{
				File: f.position.file, Position: f.position.Position,
				Message: fmt.Sprintf("the file %s cannot be read: %s", quote(f.Path), escape(err.Error())),
				Hint:    "files that a policy names lie beneath its own directory",
			})
			continue
		}
		f.Data, f.Digest = data, digestOf(data)
	}
	return nil
}

// identify sets names and digests, the same for all variants.
func (c *composer) identify(variants map[string]*Policy, levels []*level) {
	own := levels[len(levels)-1].documents[0]
	digest := digestOf(own.Data)
	if len(c.parts) > 1 {
		digest = digestOf(manifest(c.parts))
	}
	var refs []DocumentRef
	for _, lv := range levels {
		d := lv.documents[0]
		ref := DocumentRef{Source: d.Source, Digest: digestOf(d.Data), Enforced: lv.enforced, SetBy: lv.setBy}
		if n := child(lv.root, "name"); n != nil {
			ref.Name = n.Value
		}
		refs = append(refs, ref)
	}
	for _, p := range variants {
		p.Digest, p.Documents, p.parts = digest, refs, c.parts
	}
}
