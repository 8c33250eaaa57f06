// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// Scan says what both programs scan, and how.
type Scan struct {
	// Image is an archive or a layout that Trivy can read, or, with Registry, a reference.
	Image    string
	Registry bool
	// Secrets has them searched, too, as the CLI does by default.
	Secrets bool
}

// timeout is what a busy machine may take; the programs' own are 5 and 10 minutes.
const timeout = "1h"

// Trivy is the command line of the CLI. With its cache on disk layers are kept in the cache directory.
func (s Scan) Trivy(bin, cacheDir string, cacheOnDisk bool) []string {
	cache, scanners := "memory", "vuln"
	if cacheOnDisk {
		cache = "fs"
	}
	if s.Secrets {
		scanners = "vuln,secret"
	}
	args := []string{bin, "image", "--timeout", timeout, "--cache-dir", cacheDir, "--cache-backend", cache, "--scanners", scanners, "--offline-scan",
		"--skip-db-update", "--skip-java-db-update", "--skip-version-check", "--format", "json", "--list-all-pkgs", "--quiet"}
	if s.Registry {
		return append(args, "--image-src", "remote", s.Image)
	}
	return append(args, "--input", s.Image)
}

// Ocigate is the command line of ocigate.
func (s Scan) Ocigate(bin, dbDir, cacheDir, policy string) []string {
	return []string{bin, "check", s.Reference(), "--timeout", timeout, "--policy", policy, "--db-dir", dbDir, "--cache-dir", cacheDir, "--output", "json", "--quiet"}
}

// Reference is how ocigate calls the image.
func (s Scan) Reference() string {
	if s.Registry {
		return "registry:" + s.Image
	}
	return s.Image
}

// Environment is that of a program under test: nothing of the caller's but PATH.
func Environment(home string) []string {
	return []string{"HOME=" + home, "PATH=" + os.Getenv("PATH"), "TMPDIR=" + os.TempDir()}
}

// RunTrivy scans an image that Trivy can read with its default scanners.
func RunTrivy(bin, cacheDir, archive string) (Result, error) {
	return Scan{Image: archive, Secrets: true}.RunTrivy(bin, cacheDir)
}

// RunTrivy scans with the CLI.
func (s Scan) RunTrivy(bin, cacheDir string) (Result, error) {
	out, err := run(cacheDir, s.Trivy(bin, cacheDir, false))
	if err != nil {
		return Result{}, fmt.Errorf("trivy %s: %w", s.Image, err)
	}
	return ParseTrivy(out)
}

// RunOcigate checks an archive; the verdict itself is of no interest here.
func RunOcigate(bin, dbDir, cacheDir, policy, archive string) (Result, error) {
	return Scan{Image: archive, Secrets: true}.RunOcigate(bin, dbDir, cacheDir, policy)
}

// RunOcigate scans with ocigate.
func (s Scan) RunOcigate(bin, dbDir, cacheDir, policy string) (Result, error) {
	out, err := run(cacheDir, s.Ocigate(bin, dbDir, cacheDir, policy))
	if exit := (*exec.ExitError)(nil); err != nil && (!errors.As(err, &exit) || !Decided(exit.ExitCode())) {
		return Result{}, fmt.Errorf("ocigate %s: %w", s.Image, err)
	}
	return ParseOcigate(out)
}

// Decided says whether ocigate ends with this code when it has examined an image: it
// passed, failed, or something in it could not be examined (an image without packages).
func Decided(code int) bool { return code == 0 || code == 1 || code == 3 }

func run(home string, argv []string) ([]byte, error) {
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Env = Environment(home)
	cmd.Stderr = os.Stderr
	return cmd.Output()
}

// UnpackDatabase unpacks a Trivy cache directory below dir, with the programs zstd and tar.
func UnpackDatabase(archive, dir string) (string, error) {
	db := filepath.Join(dir, "cache")
	unpack := exec.Command("sh", "-c", `mkdir -p "$1" && zstd -dc --long=27 "$2" | tar -x -C "$1"`, "sh", db, archive)
	if out, err := unpack.CombinedOutput(); err != nil {
		return "", fmt.Errorf("unpack the database: %w\n%s", err, out)
	}
	return db, nil
}
