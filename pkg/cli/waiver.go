// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/ocigate/ocigate/pkg/evidence"
	"github.com/ocigate/ocigate/pkg/internal/atomicfile"
	"github.com/ocigate/ocigate/pkg/internal/escape"
	"github.com/ocigate/ocigate/pkg/policy"
	"github.com/ocigate/ocigate/pkg/report"
	"github.com/ocigate/ocigate/pkg/verdict"
	"github.com/ocigate/ocigate/pkg/waiverfile"
)

func (a *app) waiverCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "waiver",
		Short: "Work with files of waivers, which a policy names under waiver-files",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_ = cmd.Help() // to standard output; nothing to do if that fails
			return &exitError{ExitUsage}
		},
	}
	cmd.AddCommand(a.waiverAddCommand(), a.waiverImportCommand())
	return cmd
}

// waiverAddFlags are the flags of `ocigate waiver add`.
type waiverAddFlags struct {
	waiver    policy.Waiver
	until     string
	platforms []string
	verdict   string
	file      string
}

func (a *app) waiverAddCommand() *cobra.Command {
	f := &waiverAddFlags{}
	cmd := &cobra.Command{
		Use:   "add",
		Short: "Waive what a verdict shows, with the facts of today",
		Long: `add appends a waiver to a file of waivers and leaves what is there as it is. The
verdict (check --output json=FILE) must show a violation that the waiver matches;
severity, fix and exploitation are recorded, so that a later check can say what has
become worse.`,
		Example: `  ocigate waiver add --verdict verdict.json --finding CVE-2024-1234 --package openssl \
    --until 2026-12-31 --reason "not reachable" --owner payments --file waivers.yaml`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return a.waiverAdd(f, time.Now()) },
	}
	fl := cmd.Flags()
	fl.StringVar(&f.verdict, "verdict", "", "the verdict, as check --output json=FILE writes it (required)")
	fl.StringVar(&f.file, "file", "", "the file of waivers; made if it does not exist (required)")
	fl.StringVar(&f.waiver.Rule, "rule", "", "the rule to waive; --rule or --finding is required")
	fl.StringVar(&f.waiver.Finding, "finding", "", "the finding or fact to waive: CVE-2024-1234, 22/tcp")
	fl.StringVar(&f.waiver.Package, "package", "", "only in this package: a name, or a package URL without version")
	fl.StringVar(&f.waiver.Path, "path", "", "only at paths that match this glob")
	fl.StringArrayVar(&f.waiver.Images, "image", nil, "only in images that match this glob (repeatable)")
	fl.StringArrayVar(&f.platforms, "platform", nil, "only on this platform (repeatable)")
	fl.StringVar(&f.waiver.Origin, "origin", "", "only in layers of the base image (base) or on top of it (application)")
	fl.StringVar(&f.until, "until", "", "the last day, YYYY-MM-DD in UTC (required)")
	fl.StringVar(&f.waiver.Reason, "reason", "", "why the risk is accepted (required)")
	fl.StringVar(&f.waiver.Owner, "owner", "", "who answers for it (required)")
	fl.StringVar(&f.waiver.Reference, "reference", "", "a ticket or document")
	fl.StringVar(&f.waiver.ID, "id", "", "the waiver's name (default: made of rule, finding and package)")
	for _, name := range []string{"verdict", "file", "until", "reason", "owner"} {
		_ = cmd.MarkFlagRequired(name) // an error only for a flag that is not there
	}
	return cmd
}

func (a *app) waiverAdd(f *waiverAddFlags, now time.Time) error {
	w := f.waiver
	var err error
	if w.Until, err = parseDay("--until", f.until); err != nil {
		return err
	}
	for _, s := range f.platforms {
		p, err := evidence.ParsePlatform(s)
		if err != nil {
			return fmt.Errorf("--platform: %w", err)
		}
		w.Platforms = append(w.Platforms, p)
	}
	v, err := readVerdictFile(f.verdict)
	if err != nil {
		return err
	}
	if w, err = waiverfile.Record(v, w, now); err != nil {
		return &hinted{err, "`ocigate explain RULE --verdict " + f.verdict + "` lists the violations of a rule and what they are called"}
	}
	before, err := readIfThere(f.file)
	if err != nil {
		return err
	}
	after, err := waiverfile.Append(f.file, before, w)
	if err != nil {
		return err
	}
	if err := writeWaivers(f.file, after); err != nil {
		return err
	}
	fmt.Fprintf(a.streams.Err, "ocigate: waiver %s added to %s\n", w.ID, escape.Text(f.file))
	return nil
}

func parseDay(flag, s string) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	t, err := time.Parse(time.DateOnly, s)
	if err != nil {
		return t, fmt.Errorf("%s %q is no day of the form YYYY-MM-DD", flag, s)
	}
	return t, nil
}

func readVerdictFile(path string) (verdict.Verdict, error) {
	f, err := os.Open(path)
	if err != nil {
		return verdict.Verdict{}, fmt.Errorf("read the verdict: %w", err)
	}
	defer f.Close()
	v, err := report.ReadJSON(f)
	if err != nil {
		return v, &hinted{fmt.Errorf("%s: %w", path, err), "`ocigate check IMAGE --output json=FILE` writes one"}
	}
	return v, nil
}

// readIfThere returns nothing for a file that does not exist.
func readIfThere(path string) ([]byte, error) {
	data, err := readFile(path, maxPolicy)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	return data, nil
}

func writeWaivers(path string, data []byte) error {
	mode := os.FileMode(0o644)
	if info, err := os.Stat(path); err == nil {
		mode = info.Mode().Perm()
	}
	err := atomicfile.Write(path, mode, func(w io.Writer) error { _, err := w.Write(data); return err })
	if err != nil {
		return &failure{fmt.Errorf("write %s: %w", path, err)}
	}
	return nil
}

// waiverImportFlags are the flags of `ocigate waiver import`.
type waiverImportFlags struct {
	format, until, file, losses string
	defaults                    waiverfile.Defaults
}

func (a *app) waiverImportCommand() *cobra.Command {
	f := &waiverImportFlags{}
	cmd := &cobra.Command{
		Use:   "import FILE",
		Short: "Make waivers of another tool's ignore rules, and say what was lost",
		Long: `import reads .trivyignore, .trivyignore.yaml, .grype.yaml or OpenVEX. Each entry, or
part of one, that a waiver cannot say is listed in the loss report. A waiver is never
wider than the entry that it was made of, save that it holds for every version
of a package. It exits 2 if nothing could be imported.`,
		Example: `  ocigate waiver import .trivyignore --owner payments --until 2026-12-31 --reason "taken over from Trivy" --file waivers.yaml`,
		Args:    cobra.ExactArgs(1),
		RunE:    func(_ *cobra.Command, args []string) error { return a.waiverImport(args[0], f, time.Now()) },
	}
	fl := cmd.Flags()
	fl.StringVar(&f.format, "format", "auto", "the format: auto, "+strings.Join(waiverfile.Formats(), ", "))
	fl.StringVar(&f.defaults.Owner, "owner", "", "who answers for the waivers (required)")
	fl.StringVar(&f.until, "until", "", "the last day, YYYY-MM-DD, of entries that have no end of their own (required)")
	fl.StringVar(&f.defaults.Reason, "reason", "", "the reason of entries that give none; without it they are not imported")
	fl.StringVar(&f.file, "file", "", "the file of waivers to add to; made if it does not exist (default: standard output)")
	fl.StringVar(&f.losses, "loss-report", "", "write the loss report here (default: standard error)")
	_ = cmd.MarkFlagRequired("owner") // an error only for a flag that is not there
	_ = cmd.MarkFlagRequired("until")
	return cmd
}

func (a *app) waiverImport(file string, f *waiverImportFlags, now time.Time) error {
	d := f.defaults
	d.Now = now
	var err error
	if d.Until, err = parseDay("--until", f.until); err != nil {
		return err
	}
	data, err := readFile(file, maxPolicy)
	if err != nil {
		return fmt.Errorf("read %s: %w", file, err)
	}
	var before []byte
	if f.file != "" {
		if before, err = readIfThere(f.file); err != nil {
			return err
		}
	}
	if len(before) > 0 {
		there, err := policy.ParseWaivers(f.file, before)
		if err != nil {
			return err
		}
		for _, w := range there {
			d.Taken = append(d.Taken, w.ID)
		}
	}
	format := f.format
	if format == "auto" {
		format = ""
	}
	r, err := waiverfile.Import(file, data, format, d)
	if err != nil {
		return &hinted{err, "the formats are " + strings.Join(waiverfile.Formats(), ", ")}
	}
	if err := a.lossReport(f.losses, r); err != nil {
		return err
	}
	if len(r.Waivers) == 0 {
		fmt.Fprintf(a.streams.Err, "ocigate: nothing in %s could be imported\n", escape.Text(file))
		return &exitError{ExitUsage}
	}
	after, err := waiverfile.Append(f.file, before, r.Waivers...)
	if err != nil {
		return err
	}
	if f.file == "" {
		// To a screen, perhaps: what looks like a command to a build log is not let through.
		out := escape.NewWriter(a.streams.Out)
		_, err := out.Write(after)
		return errors.Join(err, out.Flush())
	}
	return writeWaivers(f.file, after)
}

// lossReport says what became of the entries. It is written before any waiver, so
// that no waiver stands anywhere whose losses nobody could read.
func (a *app) lossReport(path string, r waiverfile.Result) error {
	lines := func(w io.Writer) error {
		for _, l := range r.Losses {
			if _, err := fmt.Fprintln(w, escape.Text(l.String())); err != nil {
				return err
			}
		}
		return nil
	}
	summary := fmt.Sprintf("%d waivers made of %s; losses: %d", len(r.Waivers), r.Format, len(r.Losses))
	fmt.Fprintln(a.streams.Err, "ocigate: "+summary)
	if path == "" {
		return lines(a.streams.Err)
	}
	if err := atomicfile.Write(path, 0o644, func(w io.Writer) error { return lines(w) }); err != nil {
		return &failure{fmt.Errorf("write the loss report %s: %w", path, err)}
	}
	return nil
}
