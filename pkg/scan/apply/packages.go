// SPDX-License-Identifier: Apache-2.0

package apply

import (
	"slices"

	"github.com/package-url/packageurl-go"

	ftypes "github.com/aquasecurity/trivy/pkg/fanal/types"
	"github.com/aquasecurity/trivy/pkg/purl"
	"github.com/aquasecurity/trivy/pkg/scan/utils"
	"github.com/aquasecurity/trivy/pkg/types"

	"github.com/ocigate/ocigate/pkg/scan/analysis"
)

// identity is by what a package is found again in another layer.
type identity struct{ name, version, release string }

func identityOf(p *ftypes.Package) identity { return identity{p.Name, p.Version, p.Release} }

// origin is the lowest layer that has a package, and the package there.
type origin struct {
	layer int
	pkg   *ftypes.Package
}

// osPackages are the packages of the databases that are left.
func osPackages(blobs []ftypes.BlobInfo, at []place, os *ftypes.OS, licences map[string][]string) ftypes.Packages {
	n := 0
	for _, p := range at {
		n += len(blobs[p.layer].PackageInfos[p.index].Packages)
	}
	if n == 0 {
		return nil
	}
	origins, builds := origins(blobs), buildInfos(blobs)
	out := make(ftypes.Packages, 0, n)
	for _, at := range at {
		packages := blobs[at.layer].PackageInfos[at.index].Packages
		for i := range packages {
			p := packages[i]
			if p.Identifier.PURL == nil && os.Family != "" {
				p.Identifier.PURL = newPURL(os.Family, types.Metadata{OS: os}, p)
			}
			if !ofDistribution(&p, os.Family) {
				continue
			}
			if p.Layer == (ftypes.Layer{}) { // an embedded SBOM may have set it
				from := origins[identityOf(&p)]
				p.Layer = layerOf(&blobs[from.layer])
				if b := builds[from.layer]; b != nil {
					p.BuildInfo = b
				}
				// Debian's databases list them in the layer of the installation only.
				p.InstalledFiles = from.pkg.InstalledFiles
			}
			if l, ok := licences[p.Name]; ok {
				p.Licenses = l
			}
			out = append(out, p)
		}
	}
	return unique(out)
}

// origins finds the lowest layer of each package of a distribution.
func origins(blobs []ftypes.BlobInfo) map[identity]origin {
	n := 0
	for i := range blobs {
		for _, info := range blobs[i].PackageInfos {
			n = max(n, len(info.Packages))
		}
	}
	out := make(map[identity]origin, n)
	for i := range blobs {
		for _, info := range blobs[i].PackageInfos {
			for j := range info.Packages {
				p := &info.Packages[j]
				if id := identityOf(p); out[id].pkg == nil {
					out[id] = origin{i, p}
				}
			}
		}
	}
	return out
}

// buildInfos are Red Hat's build information that holds for each layer: its own, or
// that of the nearest layer below. The lowest layer has none and takes the second's.
func buildInfos(blobs []ftypes.BlobInfo) []*ftypes.BuildInfo {
	out := make([]*ftypes.BuildInfo, len(blobs))
	var last *ftypes.BuildInfo
	for i := range blobs {
		if b := blobs[i].BuildInfo; b != nil {
			last = b
		}
		out[i] = last
	}
	if out[0] == nil && len(blobs) > 1 {
		out[0] = blobs[1].BuildInfo
	}
	return out
}

// ofDistribution says whether a package is one of the distribution's: SBOMs in an
// image may list packages of another.
func ofDistribution(p *ftypes.Package, family ftypes.OSType) bool {
	url := p.Identifier.PURL
	return family == "" || url == nil || url.Namespace == "" || url.Namespace == family.PurlNamespace()
}

// unique drops what several databases list. What a package manager says goes before
// what an SBOM says.
func unique(packages ftypes.Packages) ftypes.Packages {
	type key struct{ id, path string }
	seen := make(map[key]bool, len(packages))
	out := packages[:0:0]
	for _, sbom := range []bool{false, true} {
		for i := range packages {
			p := &packages[i]
			if (p.AnalyzedBy == ftypes.AnalyzerType(analysis.TypeSBOM)) != sbom {
				continue
			}
			k := key{p.ID, p.FilePath}
			if k.id == "" {
				k.id = p.Name + "@" + utils.FormatVersion(*p)
			}
			if !seen[k] {
				seen[k] = true
				out = append(out, *p)
			}
		}
	}
	return out
}

// applications are the packages of programming languages. Those that stand alone
// (wheels, jars and their like) are gathered by type, those of a lock file or binary
// stay together.
func applications(blobs []ftypes.BlobInfo, at []place) ftypes.Applications {
	files := newFiles(blobs)
	gathered := make([]ftypes.Application, len(ftypes.AggregatingTypes))
	for i, n := range gatheredSizes(blobs, at) {
		gathered[i].Packages = make(ftypes.Packages, 0, n)
	}
	var out ftypes.Applications
	for _, at := range at {
		app := blobs[at.layer].Applications[at.index]
		to := slices.Index(ftypes.AggregatingTypes, app.Type)
		var packages ftypes.Packages
		if to < 0 {
			packages = slices.Clone(app.Packages)
		} else {
			n := len(gathered[to].Packages)
			gathered[to].Packages = append(gathered[to].Packages, app.Packages...)
			packages = gathered[to].Packages[n:]
		}
		for i := range packages {
			p := &packages[i]
			if p.Identifier.PURL == nil {
				p.Identifier.PURL = newPURL(app.Type, types.Metadata{}, *p)
			}
			if p.Layer == (ftypes.Layer{}) {
				p.Layer = layerOf(&blobs[files.origin(app.FilePath, p)])
			}
		}
		if to < 0 {
			app.Packages = packages
			out = append(out, app)
		}
	}
	for i, app := range gathered {
		if len(app.Packages) > 0 {
			app.Type = ftypes.AggregatingTypes[i]
			out = append(out, app)
		}
	}
	return out
}

func gatheredSizes(blobs []ftypes.BlobInfo, at []place) []int {
	sizes := make([]int, len(ftypes.AggregatingTypes))
	for _, at := range at {
		app := &blobs[at.layer].Applications[at.index]
		if i := slices.Index(ftypes.AggregatingTypes, app.Type); i >= 0 {
			sizes[i] += len(app.Packages)
		}
	}
	return sizes
}

// files finds the lowest layer whose file of a path holds a package.
type files struct {
	blobs []ftypes.BlobInfo
	// places are the applications of each path, whatever their type.
	places map[string][]place
	// known are the packages of the paths that several layers have.
	known map[string]map[identity]int
}

func newFiles(blobs []ftypes.BlobInfo) *files {
	f := &files{blobs: blobs, places: map[string][]place{}, known: map[string]map[identity]int{}}
	for i := range blobs {
		for j := range blobs[i].Applications {
			path := blobs[i].Applications[j].FilePath
			f.places[path] = append(f.places[path], place{i, j})
		}
	}
	return f
}

func (f *files) origin(path string, p *ftypes.Package) int {
	places := f.places[path]
	if len(places) == 1 {
		return places[0].layer
	}
	known := f.known[path]
	if known == nil {
		known = map[identity]int{}
		for _, at := range places {
			packages := f.blobs[at.layer].Applications[at.index].Packages
			for i := range packages {
				id := identityOf(&packages[i])
				if _, ok := known[id]; !ok {
					known[id] = at.layer
				}
			}
		}
		f.known[path] = known
	}
	return known[identityOf(p)]
}

// newPURL returns nil for a package without a name, such as that of a package.json
// which nobody publishes.
func newPURL(t ftypes.TargetType, m types.Metadata, p ftypes.Package) *packageurl.PackageURL {
	if p.Name == "" {
		return nil
	}
	url, err := purl.New(t, m, p)
	if err != nil { // only the URLs of images can fail
		return nil
	}
	return url.Unwrap()
}
