// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/ocigate/ocigate/pkg/evidence"
	"github.com/ocigate/ocigate/pkg/gate"
	"github.com/ocigate/ocigate/pkg/image"
	"github.com/ocigate/ocigate/pkg/scan"
	"github.com/ocigate/ocigate/pkg/verdict"
)

// checkFlags are the flags of `ocigate check`; those of `ocigate verify` are among them.
type checkFlags struct {
	policy        policyFlags
	platforms     []string
	baseline      string
	destination   string
	outputs       []string
	color         string
	quiet         bool
	reportOnly    bool
	effectiveTime string
	allowPast     bool
	forecast      string
	firstSeen     string
	timeout       time.Duration
	cacheDir      string
	cache         cacheFlags
	offline       bool
	database      databaseFlags
	network       networkFlags
	base          baseFlags
	bundles       []string
	failFast      bool
	noFixLookup   bool
}

type databaseFlags struct {
	repositories     []string
	javaRepositories []string
	dir              string
	downloads        string
}

type networkFlags struct {
	caFile   string
	insecure []string
}

func (a *app) checkCommand() *cobra.Command {
	f := &checkFlags{}
	cmd := &cobra.Command{
		Use:   "check IMAGE",
		Short: "Judge an image by a policy before it is pushed",
		Long: `check reads the image once, wherever it is, matches what is in it with the
vulnerability database, decides by the policy, and exits 0 (PASSED), 1 (FAILED),
2 (usage) or 3 (could not decide).

IMAGE is registry:REF, docker-daemon:REF, docker-archive:PATH[:TAG], oci:DIR[:TAG],
oci-archive:PATH[:TAG], a path, or a bare reference, which is the Docker daemon's image.`,
		Example: `  ocigate check shop:1.0 --policy ocigate.yaml
  ocigate check oci-archive:image.tar --policy ocigate:baseline --output text --output json=verdict.json`,
		Args: oneImage("check"),
		RunE: func(cmd *cobra.Command, args []string) error { return a.check(cmd.Context(), args[0], f, "") },
	}
	fl := cmd.Flags()
	f.register(fl)
	f.registerScan(fl)
	return cmd
}

// registerScan defines what commands have besides that look into layers.
func (f *checkFlags) registerScan(fl *pflag.FlagSet) {
	fl.StringVar(&f.baseline, "baseline", "", "compare the size with this image, for rules with max-growth")
	fl.StringArrayVarP(&f.outputs, "output", "o", nil, "report format: text, json, sarif, junit, gitlab (container scanning), codequality, markdown, html (one page), cyclonedx or spdx (what is in the image), vex (what waivers and VEX documents say), evidence (what was found, without a decision), runtime (the least privileges to run with), fixes (what to do, for programs), annotations and outputs (for steps of GitHub Actions), or first-seen (the updated copy of --first-seen), optionally =PATH (repeatable; default text)")
	fl.StringVar(&f.firstSeen, "first-seen", "", "file with the days on which findings were first seen; it is only read, --output first-seen=FILE writes the updated copy")
	fl.StringVar(&f.forecast, "forecast", "", "say what will fail within this time although nobody touches the image: 14d, 2w (at most 366d)")
	fl.BoolVar(&f.failFast, "fail-fast", false, "end the run before a layer is pulled if rules about signatures, attestations or the base image fail")
	fl.BoolVar(&f.noFixLookup, "no-fix-lookup", false, "do not look for newer tags of the base image when the image has failed")
	f.cache.register(fl)
	fl.StringArrayVar(&f.database.repositories, "db-repository", nil, "fetch the vulnerability database from here (repeatable, tried in order)")
	fl.StringArrayVar(&f.database.javaRepositories, "java-db-repository", nil, "fetch the Java database from here (repeatable, tried in order)")
	fl.StringVar(&f.database.dir, "db-dir", "", "use the databases in this directory (db/, java-db/), which another tool fetched")
	fl.StringVar(&f.database.downloads, "db-downloads", "", "keep the databases in this directory as they were downloaded, and take one from there if it has the digest that the repository names: what the cache of a CI system can carry")
	fl.BoolVar(&f.offline, "offline", false, "fetch neither databases nor trusted roots for signatures, and ask no key service: use what is in the cache; only registries that hold images are asked")
}

// register defines what all commands have that judge an image.
func (f *checkFlags) register(fl *pflag.FlagSet) {
	f.policy.register(fl)
	f.base.register(fl)
	fl.StringArrayVar(&f.platforms, "platform", nil, "examine only this platform of an index (repeatable; never less than the policy requires)")
	fl.StringVar(&f.destination, "destination", "", "the name that the image is pushed to: rules about references and per-image sections go by it")
	fl.StringArrayVar(&f.bundles, "bundle", nil, "a sigstore bundle in a file: a signature or attestation of the image's digest, or of the archive's (repeatable)")
	fl.StringVar(&f.color, "color", "auto", "colour: auto, always or never")
	fl.BoolVarP(&f.quiet, "quiet", "q", false, "no progress on standard error")
	fl.BoolVar(&f.reportOnly, "report-only", false, "exit 0 although rules failed; a run that could not decide still exits 3")
	fl.StringVar(&f.effectiveTime, "effective-time", "", "decide as of this time: YYYY-MM-DD or RFC 3339 (default: now)")
	fl.BoolVar(&f.allowPast, "allow-past", false, "allow an effective time in the past")
	fl.DurationVar(&f.timeout, "timeout", 10*time.Minute, "time for the whole run, after which it cannot decide")
	fl.StringVar(&f.cacheDir, "cache-dir", "", cacheDirAbout)
	fl.StringVar(&f.network.caFile, "ca-file", "", "trust the certificates in this PEM file, besides the system's")
	fl.StringArrayVar(&f.network.insecure, "insecure-registry", nil, "allow plain http or an unverified certificate for this host[:port] (repeatable)")
}

// oneImage refuses anything but one argument.
func oneImage(command string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) != 1 {
			return &hinted{fmt.Errorf("%s takes one image, not %d", command, len(args)), "ocigate " + command + " IMAGE --policy FILE"}
		}
		return nil
	}
}

// check judges an image by the policy, or by the part of it that scope names.
func (a *app) check(ctx context.Context, reference string, f *checkFlags, scope verdict.Scope) error {
	outs, err := parseOutputs(f.outputs, scope)
	if err != nil {
		return err
	}
	// First of all: whatever goes wrong from here on, no old verdict is taken for this one's.
	if err := removeOld(outs); err != nil {
		return err
	}
	req, err := a.request(ctx, reference, f)
	if err != nil {
		return err
	}
	req.Scope = scope
	if err := bindFirstSeen(outs, req); err != nil {
		return err
	}
	p := a.newProgress(a.screen, f.quiet)
	v, err := a.judge(ctx, req, f, p)
	p.done()
	if err != nil {
		return err
	}
	return a.answer(outs, v, f.color)
}

// answer writes the reports, and makes the exit code of the verdict.
func (a *app) answer(outs []output, v verdict.Verdict, color string) error {
	if err := a.write(outs, v, color); err != nil {
		fmt.Fprintf(a.streams.Err, "ocigate: %v\n", err)
		// A verdict that nobody can read is none; a failed one stays failed.
		if code := v.ExitCode(); code != ExitPassed {
			return &exitError{code}
		}
		return &exitError{ExitError}
	}
	if code := v.ExitCode(); code != ExitPassed {
		return &exitError{code}
	}
	return nil
}

// request checks everything that can be wrong with the command line, before
// anything is examined.
func (a *app) request(ctx context.Context, reference string, f *checkFlags) (gate.Request, error) {
	req := gate.Request{Reference: reference, ReportOnly: f.reportOnly, Destination: f.destination, Baseline: f.baseline, FailFast: f.failFast}
	switch f.color {
	case "auto", "always", "never":
	default:
		return req, &hinted{fmt.Errorf("--color %q: no such mode", f.color), "auto, always or never"}
	}
	for _, s := range f.platforms {
		p, err := evidence.ParsePlatform(s)
		if err != nil {
			return req, &hinted{fmt.Errorf("--platform: %w", err), "for example linux/amd64"}
		}
		req.Platforms = append(req.Platforms, p)
	}
	if err := checkDestination(f.destination); err != nil {
		return req, err
	}
	if f.timeout <= 0 {
		return req, fmt.Errorf("--timeout %s: the time must be greater than zero", f.timeout)
	}
	if _, err := a.layerCache(&f.cache); err != nil {
		return req, err
	}
	if f.database.dir != "" && (len(f.database.repositories) > 0 || len(f.database.javaRepositories) > 0) {
		return req, errors.New("--db-dir and --db-repository contradict each other: a directory is used as it is, nothing is fetched")
	}
	now := time.Now().UTC()
	var err error
	if req.EffectiveTime, req.EffectiveTimeGiven, err = effectiveTime(f.effectiveTime, now, f.allowPast); err != nil {
		return req, err
	}
	if req.Forecast, err = forecastTime(f.forecast); err != nil {
		return req, err
	}
	if err = f.base.fill(&req); err != nil {
		return req, err
	}
	if req.Bundles, err = readBundles(f.bundles); err != nil {
		return req, err
	}
	if req.FirstSeenFile, req.FirstSeen, err = readFirstSeen(f.firstSeen); err != nil {
		return req, err
	}
	f.policy.network = f.network
	req.Policy, err = a.loadPolicy(ctx, f.policy)
	return req, err
}

// effectiveTime reads --effective-time. A day means its beginning, in UTC.
func effectiveTime(s string, now time.Time, allowPast bool) (time.Time, bool, error) {
	if s == "" {
		return now.Truncate(time.Second), false, nil
	}
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		if t, err = time.Parse(time.DateOnly, s); err != nil {
			return t, false, &hinted{fmt.Errorf("--effective-time %q is no time", s), "write 2026-12-31 or 2026-12-31T12:00:00Z"}
		}
	}
	if t.Before(now) && !allowPast {
		return t, false, &hinted{fmt.Errorf("--effective-time %s is in the past", s), "add --allow-past if that is meant; the verdict will say so"}
	}
	return t.UTC(), true, nil
}

// judge assembles the gate and runs it.
func (a *app) judge(ctx context.Context, req gate.Request, f *checkFlags, p *progress) (verdict.Verdict, error) {
	runDir, err := os.MkdirTemp("", "ocigate-")
	if err != nil {
		return verdict.Verdict{}, &failure{&hinted{fmt.Errorf("make a temporary directory: %w", err), "set TMPDIR to a directory with room"}}
	}
	// Both run at the end whatever happens, and while a parser may still hold files open.
	defer os.RemoveAll(runDir)
	defer scan.CleanTemp()

	connections := image.NewConnections()
	defer connections.Close()
	g, done, err := a.assemble(req, f, runDir, connections, p)
	if err != nil {
		return verdict.Verdict{}, err
	}
	defer done()
	if g.Custom, err = compileCustom(ctx, req.Policy); err != nil {
		return verdict.Verdict{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, f.timeout)
	defer cancel()
	v, err := g.Check(ctx, req)
	var usage *gate.UsageError
	if errors.As(err, &usage) {
		return v, &hinted{err, usage.Hint}
	}
	return v, err
}

// cacheDir makes the cache directory if it is missing.
func (a *app) cacheDir(flag string) (string, error) {
	dir, err := a.cachePath(flag)
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", &failure{&hinted{fmt.Errorf("open the cache directory: %w", err), "set --cache-dir or OCIGATE_CACHE_DIR to a directory that can be written"}}
	}
	return dir, nil
}

// cachePath says where the cache directory is.
func (a *app) cachePath(flag string) (string, error) {
	dir := flag
	if dir == "" {
		dir = a.env.Get("OCIGATE_CACHE_DIR")
	}
	if dir == "" {
		base, err := os.UserCacheDir()
		if err != nil {
			return "", &hinted{fmt.Errorf("find a cache directory: %w", err), "set --cache-dir or OCIGATE_CACHE_DIR"}
		}
		dir = filepath.Join(base, "ocigate")
	}
	return dir, nil
}
