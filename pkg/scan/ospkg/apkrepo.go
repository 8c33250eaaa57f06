// SPDX-License-Identifier: Apache-2.0

package ospkg

import (
	"context"
	"fmt"
	"strings"

	"github.com/aquasecurity/go-version/pkg/version"
	ftypes "github.com/aquasecurity/trivy/pkg/fanal/types"

	"github.com/ocigate/ocigate/pkg/scan/analysis"
)

func apkRepo() analysis.Analyzer {
	return analysis.Analyzer{
		Type:    analysis.TypeApkRepo,
		Version: 1,
		Wants:   at("etc/apk/repositories"),
		Analyze: func(_ context.Context, f analysis.File) (*analysis.Result, error) {
			text, err := smallText(f)
			if err != nil {
				return nil, err
			}
			repo, err := parseRepositories(text)
			if err != nil || repo == nil {
				return nil, err
			}
			return &analysis.Result{Repository: repo}, nil
		},
	}
}

// maxRelease is the greatest length, in bytes, of a release in an address.
const maxRelease = 256

// parseRepositories finds out of which release of Alpine the packages are: the latest
// of those in the addresses, or edge where one is. It returns nil for the repositories
// of another distribution.
func parseRepositories(text string) (*ftypes.Repository, error) {
	var repo ftypes.Repository
	for line := range textLines(text) {
		distribution, release, ok := splitRepository(line)
		if !ok {
			continue
		}
		if len(release) > maxRelease {
			return nil, fmt.Errorf("a release of %d bytes", len(release))
		}
		family := ftypes.OSType(distribution)
		if repo.Family != "" && repo.Family != family {
			return nil, fmt.Errorf("it mixes different distributions: %s and %s", repo.Family, family)
		}
		repo.Family = family
		if repo.Release == "" || later(release, repo.Release) {
			repo.Release = release
		}
	}
	if repo.Family != ftypes.Alpine || repo.Release == "" {
		return nil, nil
	}
	return &repo, nil
}

// later says whether release a comes after b. What is no version comes after nothing.
func later(a, b string) bool {
	switch {
	case a == b || b == "edge":
		return false
	case a == "edge":
		return true
	}
	va, err := version.Parse(a)
	if err != nil {
		return false
	}
	vb, err := version.Parse(b)
	return err == nil && va.GreaterThan(vb)
}

const (
	digits  = "0123456789"
	letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
)

// splitRepository finds distribution and release in the first address of the form
// scheme://host/distribution/vRELEASE/… in a line.
func splitRepository(line string) (distribution, release string, ok bool) {
	for {
		scheme, rest, found := strings.Cut(line, "://")
		if !found {
			return "", "", false
		}
		line = rest
		if !strings.HasSuffix(scheme, "ftp") && !strings.HasSuffix(strings.TrimRight(scheme, "s"), "http") {
			continue
		}
		if _, rest, ok = element(rest, letters+digits+".-"); !ok {
			continue
		}
		if distribution, rest, ok = element(rest, letters); !ok {
			continue
		}
		const allowed = letters + digits + "_.-"
		if release, _, ok = element(strings.TrimPrefix(rest, "v"), allowed); ok {
			return distribution, release, true
		}
		if release, _, ok = element(rest, allowed); ok {
			return distribution, release, true
		}
	}
}

// element cuts off what stands before the next slash, if that is one or more of the
// allowed characters.
func element(s, allowed string) (elem, rest string, ok bool) {
	i := len(s) - len(strings.TrimLeft(s, allowed))
	if i == 0 || i == len(s) || s[i] != '/' {
		return "", "", false
	}
	return s[:i], s[i+1:], true
}
