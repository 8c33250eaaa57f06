// SPDX-License-Identifier: Apache-2.0

// Package analysers compares the product's own analysers with Trivy's, on the same files.
package analysers

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/aquasecurity/trivy/pkg/fanal/analyzer"
)

// pair is both sides, prepared alike.
type pair struct {
	*theirs
	*ours
	files map[string][]byte
	// strict are cases in which ours reports what Trivy drops without a word; unstable
	// those in which Trivy does not agree with itself.
	strict, unstable map[analyzer.Type]int
	examples         map[analyzer.Type][]string
	// took is how long each side worked.
	took struct{ theirs, ours time.Duration }
}

func newPair(t testing.TB) *pair {
	t.Helper()
	files := testFiles(t)
	dir := newJavaDB(t, files)
	return &pair{theirs: newTheirs(t, dir), ours: newOurs(t, dir), files: files,
		strict: map[analyzer.Type]int{}, unstable: map[analyzer.Type]int{}, examples: map[analyzer.Type][]string{}}
}

// types are those that both sides have.
func (p *pair) types() (single, post []analyzer.Type) {
	for _, t := range slices.Sorted(maps.Keys(p.theirs.single)) {
		if _, ok := p.ours.single[t]; ok {
			single = append(single, t)
		}
	}
	for _, t := range slices.Sorted(maps.Keys(p.theirs.post)) {
		if _, ok := p.ours.post[t]; ok {
			post = append(post, t)
		}
	}
	return single, post
}

// start forgets what was before a subtest.
func (p *pair) start() {
	clear(p.strict)
	clear(p.unstable)
	clear(p.examples)
	p.took.theirs, p.took.ours = 0, 0
}

// report logs what was allowed to differ, and how long it took.
func (p *pair) report(t testing.TB) {
	t.Logf("Trivy's took %v, ours %v", p.took.theirs.Round(time.Millisecond), p.took.ours.Round(time.Millisecond))
	for _, typ := range slices.Sorted(maps.Keys(p.strict)) {
		t.Logf("%s: %d times ours reports what Trivy drops, such as\n\t%s", typ, p.strict[typ], strings.Join(p.examples[typ], "\n\t"))
	}
	for _, typ := range slices.Sorted(maps.Keys(p.unstable)) {
		t.Logf("%s: %d times Trivy does not agree with itself, or finds no end", typ, p.unstable[typ])
	}
}

func (p *pair) allow(typ analyzer.Type, what string, err any) {
	p.strict[typ]++
	if len(p.examples[typ]) < 3 {
		p.examples[typ] = append(p.examples[typ], fmt.Sprintf("%s: %.200q", what, fmt.Sprint(err)))
	}
}

// TestSameAnalysers wants an analyser for each of Trivy's, and no more.
func TestSameAnalysers(t *testing.T) {
	p := newPair(t)
	for typ := range p.theirs.single {
		if _, ok := p.ours.single[typ]; !ok {
			t.Errorf("Trivy has an analyser %s, ours has none", typ)
		}
	}
	for typ := range p.theirs.post {
		if _, ok := p.ours.post[typ]; !ok {
			t.Errorf("Trivy has a post-analyser %s, ours has none", typ)
		}
	}
	for typ := range p.ours.single {
		if p.theirs.single[typ] == nil {
			t.Errorf("an analyser %s that Trivy has not", typ)
		}
	}
	for typ := range p.ours.post {
		if p.theirs.post[typ] == nil {
			t.Errorf("a post-analyser %s that Trivy has not", typ)
		}
	}
}

// agree compares two outcomes of one input. again asks Trivy once more.
func (p *pair) agree(typ analyzer.Type, what string, want, got outcome, again func() (want, got outcome)) error {
	switch {
	case got.panic == noEnd:
		return fmt.Errorf("ours: %s", &got)
	case want.panic == noEnd:
		p.unstable[typ]++
		return nil
	case got.panic != nil && want.panic == nil:
		return fmt.Errorf("ours: %s\nTrivy: %s", &got, &want)
	case want.panic != nil:
		if got.panic == nil && got.err == nil && len(got.failed) == 0 {
			return fmt.Errorf("Trivy: %s\nours says nothing: %s", &want, &got)
		}
		return nil
	case want.err != nil && got.err == nil && len(got.failed) == 0:
		return fmt.Errorf("Trivy refuses it: %w\nours does not: %s", want.err, &got)
	case got.err != nil:
		if want.err == nil {
			p.allow(typ, what, got.err)
		}
		return nil
	}
	for path, text := range want.failed {
		if strings.HasSuffix(path, ".md5sums") {
			continue // says which files packages own: without it more is found, not less
		}
		if _, ok := got.failed[path]; !ok {
			return fmt.Errorf("Trivy drops %s: %s\nours does not say so: %s", path, text, &got)
		}
	}
	if len(got.failed) > len(want.failed) {
		p.allow(typ, what, got.failed)
	}
	if want.json == got.json || want.err != nil || without(want.json, got.failed) == without(got.json, got.failed) {
		return nil
	}
	return p.unsettled(typ, want, got, again)
}

// unsettled asks both sides again where Trivy's maps may have come in another order.
func (p *pair) unsettled(typ analyzer.Type, want, got outcome, again func() (want, got outcome)) error {
	wants, gots := map[string]bool{want.json: true}, map[string]bool{got.json: true}
	start := time.Now()
	for i := 0; i < 12 && time.Since(start) < patience; i++ {
		want, got := again()
		wants[want.json], gots[got.json] = true, true
	}
	for json := range gots {
		if wants[json] && len(wants) > 1 {
			p.unstable[typ]++
			return nil
		}
	}
	return fmt.Errorf("%s", difference(want.json, got.json))
}

// difference shows the first lines that differ.
func difference(want, got string) string {
	w, g := strings.Split(want, "\n"), strings.Split(got, "\n")
	i := 0
	for i < min(len(w), len(g)) && w[i] == g[i] {
		i++
	}
	around := func(lines []string) string {
		var b strings.Builder
		for _, line := range lines[max(min(i-6, len(lines)), 0):min(i+8, len(lines))] {
			fmt.Fprintf(&b, "\t%.160s\n", line)
		}
		return b.String()
	}
	return fmt.Sprintf("Trivy has\n%s\nours has\n%s", around(w), around(g))
}

// clip makes an error, in which whole files may stand, printable.
func clip(err error) string {
	return fmt.Sprintf("%.1600s", strings.Map(func(r rune) rune {
		if r != '\n' && r != '\t' && (r < ' ' || r == utf8.RuneError) {
			return '?'
		}
		return r
	}, err.Error()))
}

// one compares an analyser of single files on one file.
func (p *pair) one(typ analyzer.Type, f input, what string) error {
	theirs, ours := p.theirs.single[typ], p.ours.single[typ]
	inMemory := len(f.data)%2 == 0
	want := timed(&p.took.theirs, func() outcome { return p.theirs.file(theirs, f) })
	got := timed(&p.took.ours, func() outcome { return p.ours.file(ours, f, inMemory) })
	return p.agree(typ, what, want, got, func() (outcome, outcome) {
		return timed(&p.took.theirs, func() outcome { return p.theirs.file(theirs, f) }),
			timed(&p.took.ours, func() outcome { return p.ours.file(ours, f, !inMemory) })
	})
}

// patience is how long an analyser may think about one input. Trivy's reader of rpm
// databases never ends on some that are damaged.
const patience = 15 * time.Second

const noEnd = "no end"

func timed(sum *time.Duration, run func() outcome) outcome {
	start := time.Now()
	defer func() { *sum += time.Since(start) }()
	done := make(chan outcome, 1)
	go func() { done <- run() }()
	select {
	case out := <-done:
		return out
	case <-time.After(patience):
		return outcome{panic: noEnd}
	}
}

// layer compares a post-analyser on the files of a tree that it wants.
func (p *pair) layer(typ analyzer.Type, tree []input, what string) error {
	theirs, ours := p.theirs.post[typ], p.ours.post[typ]
	var forTheirs, forOurs []input
	for _, f := range tree {
		if theirs.Required(f.path, f.info()) {
			forTheirs = append(forTheirs, f)
		}
		if ours.Wants(f.path, f.info()) {
			forOurs = append(forOurs, f)
		}
	}
	if len(forTheirs) == 0 && len(forOurs) == 0 {
		return nil
	}
	inMemory := len(tree)%2 == 0
	want := timed(&p.took.theirs, func() outcome { return p.theirs.tree(theirs, forTheirs) })
	got := timed(&p.took.ours, func() outcome { return p.ours.tree(ours, forOurs, inMemory) })
	return p.agree(typ, what, want, got, func() (outcome, outcome) {
		return timed(&p.took.theirs, func() outcome { return p.theirs.tree(theirs, forTheirs) }),
			timed(&p.took.ours, func() outcome { return p.ours.tree(ours, forOurs, !inMemory) })
	})
}

// TestFiles shows every file of the testdata to every analyser, at each place where it
// wants files, and damaged versions of those that mean something to it.
func TestFiles(t *testing.T) {
	p := newPair(t)
	single, post := p.types()
	for _, typ := range slices.Concat(single, post) {
		t.Run(string(typ), func(t *testing.T) {
			defer p.report(t)
			p.start()
			inputs := inputsFor(p.theirs, typ, p.files)
			failures := 0
			check := func(f input, what string) {
				if err := p.compare(typ, f, what); err != nil {
					if failures++; failures <= 5 {
						t.Errorf("%s (longest line %d bytes): %s", what, longestLine(f.data), clip(err))
					}
				}
			}
			for _, f := range inputs {
				check(f, f.path)
			}
			undamaged := p.strict[typ]
			seeds, n := p.seeds(typ, inputs), 0
			for _, f := range seeds {
				if len(f.data) > 4<<20 || berkeley(f.data) {
					t.Logf("%s of %d bytes is not damaged", f.path, len(f.data))
					continue
				}
				for i, data := range damaged(f.data, versions(len(f.data))) {
					n++
					check(input{f.path, f.mode, data}, fmt.Sprintf("%s, version %d", f.path, i))
				}
			}
			t.Logf("%d files (%d reported by ours alone), %d damaged versions of %d, %d failures", len(inputs), undamaged, n, len(seeds), failures)
		})
	}
}

// berkeley is true of a hash database of Berkeley DB's. Trivy's reader finds no end in
// some that are damaged, and cannot be stopped; such a large file takes it seconds.
func berkeley(data []byte) bool {
	return len(data) > 16 && bytes.Equal(data[12:16], []byte{0x61, 0x15, 0x06, 0x00})
}

// longestLine helps to tell a scanner's limit, which Trivy does not notice, from the rest.
func longestLine(data []byte) (n int) {
	for line := range bytes.Lines(data) {
		n = max(n, len(line))
	}
	return n
}

// versions is how many damaged versions of a file there are.
func versions(size int) int { return max(7, min(36, 2<<20/(size+1))) }

// maxSeeds is how many files of an analyser are damaged.
const maxSeeds = 40

// seeds are the files that mean something to Trivy's analyser, the more the better, the
// small ones first.
func (p *pair) seeds(typ analyzer.Type, inputs []input) []input {
	var found []input
	seen := map[string]bool{}
	for _, f := range inputs {
		out := timed(new(time.Duration), func() outcome {
			if a, ok := p.theirs.post[typ]; ok {
				return p.theirs.tree(a, []input{f})
			}
			return p.theirs.file(p.theirs.single[typ], f)
		})
		key := out.json
		if len(f.data) > small {
			key = string(f.data) // once, not at each place
		}
		if len(out.json) > 2 && !seen[key] {
			seen[key] = true
			found = append(found, f)
		}
	}
	slices.SortStableFunc(found, func(a, b input) int { return cmp.Compare(len(a.data), len(b.data)) })
	return found[:min(len(found), maxSeeds)]
}

// TestTrees shows whole directories to the post-analysers, and such with one file damaged.
func TestTrees(t *testing.T) {
	p := newPair(t)
	_, post := p.types()
	all := trees(p.files)
	for _, typ := range post {
		t.Run(string(typ), func(t *testing.T) {
			defer p.report(t)
			p.start()
			n := 0
			for _, name := range slices.Sorted(maps.Keys(all)) {
				n += p.tree(t, typ, name, all[name])
			}
			t.Logf("%d trees", n)
		})
	}
}

func (p *pair) tree(t *testing.T, typ analyzer.Type, name string, tree []input) (n int) {
	var wanted []int
	for i, f := range tree {
		if p.theirs.post[typ].Required(f.path, f.info()) {
			wanted = append(wanted, i)
		}
	}
	if len(wanted) == 0 {
		return 0
	}
	n = 1
	if err := p.layer(typ, tree, name); err != nil {
		t.Errorf("%s: %s", name, clip(err))
		return n
	}
	size := 0
	for _, i := range wanted {
		size += len(tree[i].data)
	}
	if len(wanted) > 40 || size > 1<<20 {
		return n // its parts are damaged one by one
	}
	for _, i := range wanted {
		for k, data := range damaged(tree[i].data, min(12, versions(len(tree[i].data)))) {
			n++
			changed := slices.Clone(tree)
			changed[i].data = data
			what := fmt.Sprintf("%s with %s, version %d", name, tree[i].path, k)
			if err := p.layer(typ, changed, what); err != nil {
				t.Errorf("%s: %s", what, clip(err))
				return n
			}
		}
	}
	return n
}
