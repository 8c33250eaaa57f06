// SPDX-License-Identifier: Apache-2.0

package analysers

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/aquasecurity/trivy/pkg/fanal/analyzer"
)

// named are places where an analyser looks for files; those that it tells of itself (its
// StaticPaths) come on top. BASE is the name of the file at hand.
var named = map[analyzer.Type][]string{
	analyzer.TypeDpkg: {"var/lib/dpkg/status", "var/lib/dpkg/status.d/BASE", "var/lib/dpkg/available",
		"var/lib/dpkg/info/BASE.md5sums", "var/lib/dpkg/status.d/BASE.md5sums"},
	analyzer.TypeDpkgLicense:               {"usr/share/doc/BASE/copyright"},
	analyzer.TypeRedHatContentManifestType: {"root/buildinfo/content_manifests/BASE.json", "usr/share/buildinfo/BASE.json"},
	analyzer.TypeRedHatDockerfileType:      {"root/buildinfo/Dockerfile-ubi8-8.3-227", "root/buildinfo/Dockerfile-BASE"},
	analyzer.TypeSBOM: {"usr/share/BASE.spdx", "usr/share/BASE.spdx.json", "usr/share/BASE.cdx", "usr/share/BASE.cdx.json",
		"opt/bitnami/postgresql/.spdx-postgresql.spdx", "opt/bitnami/BASE.spdx.json"},
	analyzer.TypeGoBinary:       {"usr/bin/BASE"},
	analyzer.TypeRustBinary:     {"usr/bin/BASE"},
	analyzer.TypeNodePkg:        {"app/node_modules/BASE/package.json"},
	analyzer.TypePythonPkgEgg:   {"usr/lib/python3/site-packages/BASE.egg"},
	analyzer.TypeGemSpec:        {"usr/lib/ruby/gems/specifications/BASE.gemspec"},
	analyzer.TypeCondaPkg:       {"opt/conda/envs/e/conda-meta/BASE-1.0-0.json"},
	analyzer.TypeComposerVendor: {"app/vendor/composer/installed.json"},
	analyzer.TypeDotNetCore:     {"app/BASE.deps.json"},
	analyzer.TypePackagesProps:  {"app/Directory.Packages.props"},
	analyzer.TypePythonPkg: {"usr/lib/python3/site-packages/BASE.dist-info/METADATA", "usr/lib/python3/site-packages/BASE.egg-info",
		"usr/lib/python3/site-packages/BASE.egg-info/PKG-INFO", "usr/lib/python3/site-packages/EGG-INFO/PKG-INFO"},
	analyzer.TypeJar:   {"app/BASE.jar", "app/BASE.WAR"},
	analyzer.TypeCargo: {"app/Cargo.lock"},
	analyzer.TypeJulia: {"app/Manifest.toml"},
	analyzer.TypeNuget: {"app/packages.lock.json", "app/packages.config"},
}

// places are the paths at which an analyser is shown a file of that name.
func places(a any, t analyzer.Type, base string) []string {
	var all []string
	if s, ok := a.(analyzer.StaticPathAnalyzer); ok {
		for _, p := range s.StaticPaths() {
			if !strings.HasSuffix(p, "/") {
				all = append(all, p)
			}
		}
	}
	for _, p := range named[t] {
		all = append(all, strings.ReplaceAll(p, "BASE", base))
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// inputsFor are the files that an analyser wants, at the places that make it want them.
// Content is shown once at each.
func inputsFor(th *theirs, t analyzer.Type, files map[string][]byte) []input {
	a, wants := th.analyser(t)
	var all []input
	seen := map[string]bool{}
	for i, text := range samples[t] {
		for _, at := range places(a, t, fmt.Sprintf("sample%d", i)) {
			all = append(all, input{path: at, mode: 0o755, data: []byte(text)})
		}
	}
	for _, p := range slices.Sorted(maps.Keys(files)) {
		if len(files[p]) > small && !slices.Contains(readsLarge, t) {
			continue
		}
		_, natural, _ := strings.Cut(p, "/testdata/")
		for i, at := range append(places(a, t, path.Base(p)), natural) {
			if i > 0 && len(files[p]) > small {
				break // one place for what takes long
			}
			f := input{path: at, mode: 0o755, data: files[p]}
			key := at + "\x00" + string(f.data)
			if !seen[key] && wants(f) {
				seen[key] = true
				all = append(all, f)
			}
		}
	}
	return all
}

// analyser is the analyser of a type, of either sort.
func (th *theirs) analyser(t analyzer.Type) (a any, wants func(f input) bool) {
	if p, ok := th.post[t]; ok {
		return p, func(f input) bool { return p.Required(f.path, f.info()) }
	}
	s := th.single[t]
	return s, func(f input) bool { return s.Required(f.path, f.info()) }
}

// small is up to which size a file is shown to all analysers, in bytes.
const small = 256 << 10

// readsLarge are the analysers of which files are large.
var readsLarge = []analyzer.Type{analyzer.TypeGoBinary, analyzer.TypeRustBinary, analyzer.TypeJar, analyzer.TypePythonPkgEgg,
	analyzer.TypeRpm, analyzer.TypeDpkg, analyzer.TypeApk}
