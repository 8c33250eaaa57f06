// SPDX-License-Identifier: Apache-2.0

// Package match matches what an image holds with the open vulnerability database, by
// Trivy's detectors, and does what Trivy does around them (pkg/scan/local, pkg/result)
// with the defaults of its CLI: packages that are for development are left out, all
// severities count, nothing is waived.
package match

import (
	"context"
	"fmt"
	"runtime"
	"slices"

	"golang.org/x/sync/errgroup"

	ftypes "github.com/aquasecurity/trivy/pkg/fanal/types"
	"github.com/aquasecurity/trivy/pkg/types"
)

// Result is what matching found.
type Result struct {
	// OS is the distribution by which packages were matched: that of the package
	// repositories where the image names none, and "none" where packages are left.
	OS ftypes.OS
	// Unsupported is set where Trivy has no detector for OS: its packages are in none of
	// Results.
	Unsupported bool
	// Results are those of the distribution, of languages by target, and of secrets by
	// file. Vulnerabilities are unique and in the order of Trivy's reports.
	Results types.Results
}

// Run matches the packages of detail. It sorts them, and removes those for development.
// name is shown in targets. Whether a distribution is still maintained depends on the
// time of clock.With in ctx.
func Run(ctx context.Context, name string, detail *ftypes.ArtifactDetail) (*Result, error) {
	withoutDevelopment(detail.Applications)
	r := &Result{OS: assumedOS(detail)}
	target := types.ScanTarget{Name: name, OS: r.OS, Repository: detail.Repository, Packages: detail.Packages}
	details := newDetails()
	jobs := newJobs(ctx)
	var own types.Results
	jobs.do(func() (err error) {
		own, err = r.distribution(jobs.ctx, target)
		for i := range own {
			details.fill(own[i].Vulnerabilities)
		}
		return err
	})
	languages := newLanguages(detail.Applications)
	languages.match(jobs, details)
	if err := jobs.wait(); err != nil {
		return nil, err
	}
	r.Results = append(own, languages.results()...)
	for i := range r.Results {
		r.Results[i].Vulnerabilities = unique(r.Results[i].Vulnerabilities)
	}
	for _, s := range detail.Secrets {
		r.Results = append(r.Results, secretResult(s))
	}
	return r, nil
}

// jobs run at once, as many as there are processors.
type jobs struct {
	group *errgroup.Group
	ctx   context.Context
}

func newJobs(ctx context.Context) *jobs {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(runtime.GOMAXPROCS(0))
	return &jobs{group, ctx}
}

// do makes an error of a panic: a goroutine's would end the process.
func (j *jobs) do(f func() error) {
	j.group.Go(func() (err error) {
		defer func() {
			if p := recover(); p != nil {
				err = fmt.Errorf("panic: %v", p)
			}
		}()
		if err := j.ctx.Err(); err != nil {
			return err
		}
		return f()
	})
}

func (j *jobs) wait() error { return j.group.Wait() }

// assumedOS is the distribution of an image that need not say what it is.
func assumedOS(detail *ftypes.ArtifactDetail) ftypes.OS {
	switch repo := detail.Repository; {
	case detail.OS.Detected():
		return detail.OS
	case repo != nil:
		return ftypes.OS{Family: repo.Family, Name: repo.Release}
	case len(detail.Packages) > 0:
		return ftypes.OS{Family: "none"}
	}
	return detail.OS
}

func withoutDevelopment(apps []ftypes.Application) {
	for i := range apps {
		apps[i].Packages = slices.DeleteFunc(apps[i].Packages, func(p ftypes.Package) bool { return p.Dev })
	}
}

func secretResult(s ftypes.Secret) types.Result {
	found := make([]types.DetectedSecret, len(s.Findings))
	for i, f := range s.Findings {
		found[i] = types.DetectedSecret(f)
	}
	return types.Result{Target: s.FilePath, Class: types.ClassSecret, Secrets: found}
}
