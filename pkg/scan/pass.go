// SPDX-License-Identifier: Apache-2.0

package scan

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/ocigate/ocigate/pkg/scan/analysis"
	"github.com/ocigate/ocigate/pkg/scan/langpkg"
)

// files hands the files of one layer to the analysers, in goroutines of their own, and
// collects what they find.
type files struct {
	ctx   context.Context
	s     *Scanner
	java  *javaOnce
	skip  analysis.Type // the analyser that is left out
	tasks errgroup.Group
	fails failures

	mu    sync.Mutex
	found []foundIn
	// seen counts the files; the order of the entries is that of the results.
	seen int

	jars    bool // there was one
	waiting map[analysis.Type]analysis.Files
	kept    []*content
	disk    int64
	singles []*analysis.Analyzer
	posts   []*analysis.PostAnalyzer
}

// foundIn is a result with its place in the order.
type foundIn struct {
	entry, analyzer int
	from            analysis.Type
	path            string
	result          *analysis.Result
}

func newFiles(ctx context.Context, s *Scanner, java *javaOnce, skip analysis.Type) *files {
	return &files{ctx: ctx, s: s, java: java, skip: skip, waiting: map[analysis.Type]analysis.Files{}}
}

// close waits for the analysers and gives up what they were given.
func (fs *files) close() {
	_ = fs.tasks.Wait() // tasks return no errors
	for _, c := range fs.kept {
		c.release()
	}
}

// ask notes which analysers want a file of that path, and says whether one does.
func (fs *files) ask(path string, info fs.FileInfo) bool {
	fs.singles, fs.posts = fs.singles[:0], fs.posts[:0]
	for i := range fs.s.analyzers {
		if a := &fs.s.analyzers[i]; a.Type != fs.skip && wants(a.Type, a.Wants, path, info, &fs.fails) {
			fs.singles = append(fs.singles, a)
		}
	}
	for i := range fs.s.posts {
		if a := &fs.s.posts[i]; wants(a.Type, a.Wants, path, info, &fs.fails) {
			fs.posts = append(fs.posts, a)
		}
	}
	return len(fs.singles)+len(fs.posts) > 0
}

// hardLink reports a file of packages that is a second name of another: neither Trivy
// nor this pass reads it.
func (fs *files) hardLink(path string, info fs.FileInfo) {
	if !fs.ask(path, info) {
		return
	}
	var types []analysis.Type
	for _, a := range fs.singles {
		types = append(types, a.Type)
	}
	for _, a := range fs.posts {
		types = append(types, a.Type)
	}
	for _, t := range types {
		if looksForPackages(t, path) {
			fs.fails.add(t, path, errors.New("it is a hard link, which is not followed"))
			return
		}
	}
}

// add hands a file to those who want it, which the last ask found out.
func (fs *files) add(f *file) error {
	fs.seen++
	if len(fs.posts) == 0 {
		head, err := f.peek()
		if err != nil {
			return f.cause(err)
		}
		fs.singles = slices.DeleteFunc(fs.singles, func(a *analysis.Analyzer) bool {
			return !looksOn(a, f.name, head, &fs.fails)
		})
		if len(fs.singles) == 0 {
			return nil
		}
	}
	c, err := f.load(fs.ctx)
	if err != nil {
		return f.cause(err)
	}
	if len(fs.posts) > 0 {
		if err := fs.wait(f, c); err != nil {
			return f.cause(err)
		}
	}
	if len(fs.singles) > 0 {
		fs.start(c, slices.Clone(fs.singles))
	}
	return nil
}

// start runs analysers of single files on c.
func (fs *files) start(c *content, list []*analysis.Analyzer) {
	entry := fs.seen
	c.retain()
	fs.tasks.Go(func() error {
		defer c.release()
		for i, a := range list {
			f, done, err := c.Open()
			if err != nil {
				fs.fails.add(a.Type, c.path, err)
				continue
			}
			res := analyzeFile(fs.ctx, a, f, &fs.fails)
			done()
			fs.keep(foundIn{entry, i, a.Type, c.path, res})
		}
		return nil
	})
}

func (fs *files) keep(f foundIn) {
	if f.result == nil {
		return
	}
	fs.mu.Lock()
	defer fs.mu.Unlock()
	fs.found = append(fs.found, f)
}

// wait puts a file aside for the analysers that want all their files together. Jars
// depend on nothing else and take the most memory: they are analysed at once.
func (fs *files) wait(f *file, c *content) error {
	later := false
	for _, a := range fs.posts {
		switch {
		case a.Type == analysis.TypeJar:
			fs.jar(c)
		case f.hdr.Size > maxParsed:
			return &LimitError{f.name, fmt.Sprintf("a file of %d bytes for a parser", f.hdr.Size)}
		default:
			later = true
			if fs.waiting[a.Type] == nil {
				fs.waiting[a.Type] = analysis.Files{}
			}
			fs.waiting[a.Type][f.name] = c
		}
	}
	if !later {
		return nil
	}
	if !fs.s.store.keep(c) {
		if err := c.spool(); err != nil {
			return err
		}
	}
	if c.tmp != "" {
		if fs.disk += f.hdr.Size; fs.disk > f.limits.PostBytes {
			return &LimitError{f.in.what, fmt.Sprintf("more than %d bytes of files that have to be read together", f.limits.PostBytes)}
		}
	}
	c.retain()
	fs.kept = append(fs.kept, c)
	return nil
}

// jar analyses a Java archive.
func (fs *files) jar(c *content) {
	fs.jars = true
	entry := fs.seen
	c.retain()
	fs.tasks.Go(func() error {
		defer c.release()
		failed := func(_ string, err error) { fs.fails.add(analysis.TypeJar, c.path, err) }
		if err := measureContent(fs.ctx, c, fs.s.opts.Limits); err != nil {
			failed(c.path, err)
			// What Trivy makes of an archive that is merely damaged still counts.
			if limit := (*LimitError)(nil); errors.As(err, &limit) || fs.ctx.Err() != nil {
				return nil
			}
		}
		db, err := fs.java.get(fs.ctx)
		if err != nil {
			return nil // without the database jars cannot be named; java reports that once
		}
		a := langpkg.Jar(db)
		res := analyzeTogether(fs.ctx, &a, analysis.Files{c.path: c}, failed)
		fs.keep(foundIn{entry, len(fs.s.analyzers), a.Type, c.path, res})
		return nil
	})
}

// together runs the analysers that want all their files of the layer together, and
// returns everything that was found, in the order of the layer's entries.
//
// As Trivy's post-analysers, they see no file that a package of the operating system
// installed under exactly that name, nor one that an application was found in.
func (fs *files) together() *analysis.Result {
	_ = fs.tasks.Wait() // tasks return no errors
	slices.SortFunc(fs.found, func(a, b foundIn) int {
		return cmp.Or(cmp.Compare(a.entry, b.entry), cmp.Compare(a.analyzer, b.analyzer))
	})
	res := &analysis.Result{}
	for _, f := range fs.found {
		if f.from != analysis.TypeJar {
			res.Merge(f.from, f.result)
		}
	}
	taken := taken(res)
	for _, f := range fs.found {
		if f.from == analysis.TypeJar && !taken[f.path] {
			res.Merge(f.from, f.result)
		}
	}
	fs.fails.drop(analysis.TypeJar, taken)
	for i := range fs.s.posts {
		a := &fs.s.posts[i]
		list := fs.waiting[a.Type]
		maps.DeleteFunc(list, func(path string, _ analysis.Stored) bool { return taken[path] })
		if len(list) > 0 {
			res.Merge(a.Type, analyzeTogether(fs.ctx, a, list, func(path string, err error) { fs.fails.add(a.Type, path, err) }))
		}
	}
	res.Sort()
	return res
}

// taken are the files that post-analysers do not see.
func taken(r *analysis.Result) map[string]bool {
	set := make(map[string]bool, len(r.SystemFiles))
	for _, p := range r.SystemFiles {
		set[p] = true
	}
	for _, app := range r.Applications {
		set[app.FilePath] = true
		for _, p := range app.Packages {
			set[p.FilePath] = true
		}
	}
	return set
}
