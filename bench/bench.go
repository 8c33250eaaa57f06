// SPDX-License-Identifier: Apache-2.0

// Package bench puts ocigate beside the real Trivy CLI of the same version: the
// differential test compares their findings, cmd/compare their speed. cmd/signatures
// compares how fast it verifies with cosign's own clients. It is a module of its own so
// that the CLI's dependencies stay out of the product's.
package bench

import (
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// Policy decides nothing: findings are what is compared.
const Policy = `version: 1
name: differential
database: {max-age: 520w}
rules:
  vulnerabilities:
    - {id: all, severity: [critical, high, medium, low, unknown], action: warn}
`

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
}

func (r *Result) sort() {
	slices.Sort(r.Packages)
	r.Packages = slices.Compact(r.Packages)
	for _, fs := range [][]Finding{r.Vulnerabilities, r.Secrets} {
		slices.SortFunc(fs, func(a, b Finding) int { return cmp.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
	}
}

// BuildTrivy builds the Trivy CLI from the module cache.
func BuildTrivy(dir string) (string, error) {
	bin := filepath.Join(dir, "trivy")
	return bin, build(".", bin, "github.com/aquasecurity/trivy/cmd/trivy")
}

// BuildOcigate builds ocigate from the module in the directory above.
func BuildOcigate(dir string) (string, error) {
	bin := filepath.Join(dir, "ocigate")
	return bin, build("..", bin, "./cmd/ocigate")
}

func build(in, bin, pkg string) error {
	cmd := exec.Command("go", "build", "-o", bin, pkg)
	cmd.Dir = in
	cmd.Env = append(os.Environ(), "GOEXPERIMENT=jsonv2")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build %s: %w\n%s", pkg, err, out)
	}
	return nil
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

// RunTrivy scans an archive that Trivy can read with its default scanners.
func RunTrivy(bin, cacheDir, archive string) (Result, error) {
	cmd := exec.Command(bin, "image", "--input", archive, "--cache-dir", cacheDir, "--cache-backend", "memory", "--offline-scan",
		"--skip-db-update", "--skip-java-db-update", "--skip-version-check", "--format", "json", "--list-all-pkgs", "--quiet")
	cmd.Env = []string{"HOME=" + cacheDir, "PATH=" + os.Getenv("PATH"), "TMPDIR=" + os.TempDir()}
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return Result{}, fmt.Errorf("trivy %s: %w", archive, err)
	}
	var rep trivyReport
	if err := json.Unmarshal(out, &rep); err != nil {
		return Result{}, err
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
		}
	}
	Problems []struct{ Message string }
}

// RunOcigate checks an archive; the verdict itself is of no interest here.
func RunOcigate(bin, dbDir, cacheDir, policy, archive string) (Result, error) {
	cmd := exec.Command(bin, "check", archive, "--policy", policy, "--db-dir", dbDir, "--cache-dir", cacheDir, "--output", "json", "--quiet")
	cmd.Env = []string{"HOME=" + cacheDir, "PATH=" + os.Getenv("PATH"), "TMPDIR=" + os.TempDir()}
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if exit := (&exec.ExitError{}); err != nil && (!asExit(err, &exit) || exit.ExitCode() == 2) {
		return Result{}, fmt.Errorf("ocigate %s: %w", archive, err)
	}
	var rep ocigateReport
	if err := json.Unmarshal(out, &rep); err != nil {
		return Result{}, err
	}
	if n := len(rep.Subjects); n != 1 {
		return Result{}, fmt.Errorf("ocigate %s: %d subjects: %v", archive, n, rep.Problems)
	}
	var res Result
	e := rep.Subjects[0].Evidence
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

func asExit(err error, target **exec.ExitError) bool {
	e, ok := err.(*exec.ExitError)
	if ok {
		*target = e
	}
	return ok
}
