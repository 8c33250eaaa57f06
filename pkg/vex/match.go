// SPDX-License-Identifier: Apache-2.0

package vex

import (
	"path"
	"strings"

	"github.com/package-url/packageurl-go"

	"github.com/ocigate/ocigate/pkg/evidence"
)

// matches says whether the target is a package of the image, and whether it names
// one version of it. A product that holds the package and is not the image itself
// says nothing: whether it is in the image, and brought the package, is not known.
func (t Target) matches(pkg packageurl.PackageURL, sub evidence.Subject) (ok, exact bool) {
	for _, p := range t.Product {
		switch {
		case p.Type == packageurl.TypeOCI:
			image, pinned := matchesImage(p, sub)
			if image && !t.Narrowed {
				return true, pinned
			}
			for _, c := range t.Subcomponents {
				if image && matchesPackage(c, pkg) {
					return true, pinned || c.Version != ""
				}
			}
		case !t.Narrowed && matchesPackage(p, pkg):
			return true, p.Version != ""
		}
	}
	return false, false
}

// matchesPackage says whether want names pkg: whatever it says must be the same.
func matchesPackage(want, pkg packageurl.PackageURL) bool {
	if pkg.Name == "" || want.Type != pkg.Type || want.Namespace != pkg.Namespace || want.Name != pkg.Name ||
		want.Version != "" && want.Version != pkg.Version || want.Subpath != "" && want.Subpath != pkg.Subpath {
		return false
	}
	has := pkg.Qualifiers.Map()
	for k, v := range want.Qualifiers.Map() {
		if got, ok := has[k]; !ok || got != v {
			return false
		}
	}
	return true
}

// matchesImage says whether a pkg:oci URL names the image: by digest, or else by its
// whole repository, and tag and architecture where it has them. The name alone is that
// of many images, and that of an archive is what the archive says.
func matchesImage(want packageurl.PackageURL, sub evidence.Subject) (ok, pinned bool) {
	if want.Version != "" {
		return want.Version == sub.Digest || want.Version == sub.IndexDigest, true
	}
	q := want.Qualifiers.Map()
	archive := sub.Source == evidence.SourceDockerArchive || sub.Source == evidence.SourceOCIArchive || sub.Source == evidence.SourceOCI
	if archive && sub.Destination == "" || q["repository_url"] == "" || q["arch"] != "" && q["arch"] != sub.Platform.Architecture {
		return false, false
	}
	named := false
	for _, name := range []string{sub.Name, sub.Destination} {
		if name == "" {
			continue
		}
		named = true
		repository, tag := splitName(name)
		if !sameRepository(q["repository_url"], want.Name, repository) || q["tag"] != "" && q["tag"] != tag {
			return false, false
		}
	}
	return named, false
}

// sameRepository compares a repository with one that may be written with or without
// its last element, which is the name.
func sameRepository(url, name, repository string) bool {
	url = strings.TrimSuffix(strings.TrimPrefix(url, "https://"), "/")
	if rest, ok := strings.CutPrefix(url, "index.docker.io/"); ok {
		url = "docker.io/" + rest
	}
	return path.Base(repository) == name && (url == repository || url+"/"+name == repository)
}

func splitName(s string) (repository, tag string) {
	s, _, _ = strings.Cut(s, "@")
	if i := strings.LastIndexByte(s, ':'); i > strings.LastIndexByte(s, '/') {
		return s[:i], s[i+1:]
	}
	return s, "latest"
}
