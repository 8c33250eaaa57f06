// SPDX-License-Identifier: Apache-2.0

package match

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sort"

	"github.com/aquasecurity/trivy/pkg/detector/library"
	detector "github.com/aquasecurity/trivy/pkg/detector/ospkg"
	ftypes "github.com/aquasecurity/trivy/pkg/fanal/types"
	"github.com/aquasecurity/trivy/pkg/scan/langpkg"
	"github.com/aquasecurity/trivy/pkg/scan/ospkg"
	"github.com/aquasecurity/trivy/pkg/types"
)

// distribution matches the packages of the distribution. There is no result where there
// is no distribution.
func (r *Result) distribution(ctx context.Context, target types.ScanTarget) (types.Results, error) {
	found, endOfLife, err := ospkg.NewScanner().Scan(ctx, target, types.ScanOptions{Scanners: types.Scanners{types.VulnerabilityScanner}})
	switch {
	case errors.Is(err, detector.ErrUnsupportedOS):
		r.Unsupported = true
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("packages of the distribution: %w", err)
	case found.Target == "":
		return nil, nil
	}
	r.OS.Eosl = endOfLife
	return types.Results{found}, nil
}

// pkg is all of a package that Trivy's detectors of languages look at.
type pkg struct {
	of                ftypes.LangType
	id, name, version string
}

// languages are the packages of programming languages. The same package often stands
// in many directories; it is matched once.
type languages struct {
	apps    []ftypes.Application
	batches []*batch
}

// batch is what one job matches.
type batch struct {
	of       ftypes.LangType
	packages []ftypes.Package
	found    []types.DetectedVulnerability
}

const batchSize = 100

func newLanguages(apps []ftypes.Application) *languages {
	l := &languages{apps: apps}
	seen := map[pkg]bool{}
	last := map[ftypes.LangType]*batch{}
	for _, app := range apps {
		sort.Sort(app.Packages)
		for i := range app.Packages {
			p := &app.Packages[i]
			k := pkg{app.Type, p.ID, p.Name, p.Version}
			if seen[k] {
				continue
			}
			seen[k] = true
			b := last[app.Type]
			if b == nil || len(b.packages) == batchSize {
				b = &batch{of: app.Type}
				last[app.Type] = b
				l.batches = append(l.batches, b)
			}
			b.packages = append(b.packages, ftypes.Package{ID: p.ID, Name: p.Name, Version: p.Version})
		}
	}
	return l
}

func (l *languages) match(jobs *jobs, details *details) {
	for _, b := range l.batches {
		jobs.do(func() (err error) {
			if b.found, err = library.Detect(jobs.ctx, b.of, b.packages); err != nil {
				return fmt.Errorf("packages of %s: %w", b.of, err)
			}
			details.fill(b.found)
			return nil
		})
	}
}

// results gives each package what was found for its like.
func (l *languages) results() types.Results {
	found := map[pkg][]types.DetectedVulnerability{}
	for _, b := range l.batches {
		for _, v := range b.found {
			k := pkg{b.of, v.PkgID, v.PkgName, v.InstalledVersion}
			found[k] = append(found[k], v)
		}
	}
	var out types.Results
	for _, app := range l.apps {
		if len(app.Packages) == 0 {
			continue
		}
		r := types.Result{Target: app.FilePath, Class: types.ClassLangPkg, Type: app.Type, Packages: app.Packages}
		if name := langpkg.PkgTargets[app.Type]; r.Target == "" && name != "" {
			r.Target = name
		}
		for i := range app.Packages {
			p := &app.Packages[i]
			for _, v := range found[pkg{app.Type, p.ID, p.Name, p.Version}] {
				v.Layer, v.PkgPath, v.PkgIdentifier = p.Layer, p.FilePath, p.Identifier
				r.Vulnerabilities = append(r.Vulnerabilities, v)
			}
		}
		out = append(out, r)
	}
	slices.SortStableFunc(out, func(a, b types.Result) int { return cmp.Compare(a.Target, b.Target) })
	return out
}
