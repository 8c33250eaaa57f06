// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// Finding is what both programs must agree on.
type Finding struct {
	ID, Package, Version, Fixed, Severity, Path, Layer string
	StartLine, EndLine                                 int
}

// Result is what one program found.
type Result struct {
	Packages        []string
	Vulnerabilities []Finding
	Secrets         []Finding
	// SecretScan is true if ocigate says that it searched for secrets.
	SecretScan bool
}

func (r *Result) sort() {
	slices.Sort(r.Packages)
	r.Packages = slices.Compact(r.Packages)
	for _, fs := range [][]Finding{r.Vulnerabilities, r.Secrets} {
		slices.SortFunc(fs, func(a, b Finding) int { return cmp.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
	}
}

// String counts.
func (r Result) String() string {
	return fmt.Sprintf("%d packages, %d vulnerabilities, %d secrets", len(r.Packages), len(r.Vulnerabilities), len(r.Secrets))
}

// Diff names what the programs do not agree on, of each kind no more than a few.
func Diff(trivy, ocigate Result) []string {
	return slices.Concat(
		diff("vulnerabilities", trivy.Vulnerabilities, ocigate.Vulnerabilities),
		diff("secrets", trivy.Secrets, ocigate.Secrets),
		diff("packages", trivy.Packages, ocigate.Packages))
}

func diff[T comparable](what string, want, got []T) (out []string) {
	count := map[T]int{}
	for _, w := range want {
		count[w]++
	}
	for _, g := range got {
		count[g]--
	}
	for v, n := range count {
		if n == 0 || len(out) > 10 {
			continue
		}
		who := "only Trivy"
		if n < 0 {
			who = "only ocigate"
		}
		out = append(out, fmt.Sprintf("%s: %s has %+v", what, who, v))
	}
	if len(want) != len(got) {
		out = append(out, fmt.Sprintf("%s: Trivy %d, ocigate %d", what, len(want), len(got)))
	}
	return out
}

// trivyReport is the part of Trivy's JSON report that is compared.
type trivyReport struct {
	ArtifactName string
	Results      []struct {
		Target, Class, Type string
		Packages            []struct{ Name, Version, FilePath string }
		Vulnerabilities     []struct {
			VulnerabilityID, PkgName, PkgPath, InstalledVersion, FixedVersion, Severity string
			Layer                                                                       struct{ DiffID string }
		}
		Secrets []struct {
			RuleID, Severity   string
			StartLine, EndLine int
			Layer              struct{ DiffID string }
		}
	}
}

// ParseTrivy reads Trivy's JSON report.
func ParseTrivy(out []byte) (Result, error) {
	var rep trivyReport
	if err := json.Unmarshal(out, &rep); err != nil {
		return Result{}, fmt.Errorf("trivy's report: %w", err)
	}
	var res Result
	for _, r := range rep.Results {
		for _, p := range r.Packages {
			res.Packages = append(res.Packages, r.Type+" "+p.Name)
		}
		for _, v := range r.Vulnerabilities {
			path := v.PkgPath
			if path == "" && r.Class == "lang-pkgs" {
				path = r.Target
			}
			res.Vulnerabilities = append(res.Vulnerabilities, Finding{ID: v.VulnerabilityID, Package: v.PkgName, Version: v.InstalledVersion,
				Fixed: v.FixedVersion, Severity: strings.ToLower(v.Severity), Path: path, Layer: v.Layer.DiffID})
		}
		for _, s := range r.Secrets {
			path := r.Target
			if path == rep.ArtifactName {
				path = "image config"
			}
			res.Secrets = append(res.Secrets, Finding{ID: s.RuleID, Severity: strings.ToLower(s.Severity), Path: path,
				StartLine: s.StartLine, EndLine: s.EndLine, Layer: s.Layer.DiffID})
		}
	}
	res.sort()
	return res, nil
}

// ocigateReport is the part of ocigate's JSON report that is compared.
type ocigateReport struct {
	Subjects []struct {
		Evidence struct {
			Packages []struct{ Name, Type string }
			Findings []struct {
				Kind, ID, Severity, FixedVersion, Path string
				Package                                *struct{ Name, Version, Path string }
				StartLine, EndLine                     int
				Layer                                  struct{ DiffID string }
			}
			Coverage struct{ SecretScan bool }
		}
	}
	Problems []struct{ Message string }
}

// ParseOcigate reads ocigate's JSON report of one image.
func ParseOcigate(out []byte) (Result, error) {
	var rep ocigateReport
	if err := json.Unmarshal(out, &rep); err != nil {
		return Result{}, fmt.Errorf("ocigate's report: %w", err)
	}
	if n := len(rep.Subjects); n != 1 {
		return Result{}, fmt.Errorf("ocigate: %d subjects: %v", n, rep.Problems)
	}
	e := rep.Subjects[0].Evidence
	res := Result{SecretScan: e.Coverage.SecretScan}
	for _, p := range e.Packages {
		res.Packages = append(res.Packages, p.Type+" "+p.Name)
	}
	for _, f := range e.Findings {
		out := Finding{ID: f.ID, Severity: f.Severity, Fixed: f.FixedVersion, Path: f.Path, StartLine: f.StartLine, EndLine: f.EndLine, Layer: f.Layer.DiffID}
		if f.Package != nil {
			out.Package, out.Version, out.Path = f.Package.Name, f.Package.Version, f.Package.Path
		}
		if f.Kind == "secret" {
			res.Secrets = append(res.Secrets, out)
		} else {
			res.Vulnerabilities = append(res.Vulnerabilities, out)
		}
	}
	res.sort()
	return res, nil
}
