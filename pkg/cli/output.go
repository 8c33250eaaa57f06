// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/term"

	"github.com/ocigate/ocigate/pkg/internal/atomicfile"
	"github.com/ocigate/ocigate/pkg/report"
	"github.com/ocigate/ocigate/pkg/scan"
	"github.com/ocigate/ocigate/pkg/verdict"
)

type renderer func(io.Writer, verdict.Verdict, report.Options) error

var formats = map[string]renderer{
	"text": report.Text, "json": report.JSON, "evidence": report.Evidence, "runtime": report.Runtime, firstSeenFormat: unboundFirstSeen,
	"sarif": report.SARIF, "junit": report.JUnit, "gitlab": report.GitLab, "codequality": report.CodeQuality, "markdown": report.Markdown,
	"html": report.HTML, "cyclonedx": report.CycloneDX, "spdx": report.SPDX, "vex": report.VEX, "fixes": report.Fixes,
	"annotations": report.Annotations, "outputs": report.Outputs,
}

// output is one --output: a format, and a path or standard output.
type output struct {
	format string
	path   string
	render renderer
}

// formatsOf are the formats of reports on the part of the policy that scope names: those
// that say who signed, not what the image holds.
func formatsOf(scope verdict.Scope) map[string]renderer {
	if scope == "" {
		return formats
	}
	part := map[string]renderer{}
	for _, name := range []string{"text", "json", "sarif", "junit", "markdown", "html"} {
		part[name] = formats[name]
	}
	return part
}

// parseOutputs reads the --output flags. Two for the same place contradict each other.
func parseOutputs(flags []string, scope verdict.Scope) ([]output, error) {
	if len(flags) == 0 {
		flags = []string{"text"}
	}
	formats := formatsOf(scope)
	var outs []output
	places := map[string]bool{}
	for _, f := range flags {
		format, path, hasPath := strings.Cut(f, "=")
		render, ok := formats[format]
		if !ok {
			return nil, &hinted{fmt.Errorf("--output %q: no such format", f), "the formats are " + strings.Join(slices.Sorted(maps.Keys(formats)), ", ")}
		}
		if hasPath && path == "" {
			return nil, &hinted{fmt.Errorf("--output %q: the path is empty", f), "write --output " + format + "=PATH, or --output " + format + " for standard output"}
		}
		if path != "" {
			path = filepath.Clean(path)
		}
		if places[path] {
			where := path
			if where == "" {
				where = "standard output"
			}
			return nil, &hinted{fmt.Errorf("--output: two reports for %s", where), "give each report its own path"}
		}
		places[path] = true
		outs = append(outs, output{format, path, render})
	}
	return outs, nil
}

// removeOld removes what an earlier run wrote, so that a crash never leaves
// yesterday's verdict.
func removeOld(outs []output) error {
	for _, o := range outs {
		if o.path == "" {
			continue
		}
		info, err := os.Stat(filepath.Dir(o.path))
		if err != nil {
			return &hinted{fmt.Errorf("--output %s=%s: %w", o.format, o.path, err), "create the directory first"}
		}
		if !info.IsDir() {
			return fmt.Errorf("--output %s=%s: %s is not a directory", o.format, o.path, filepath.Dir(o.path))
		}
		if at, err := os.Lstat(o.path); err == nil && at.IsDir() {
			return fmt.Errorf("--output %s=%s: that is a directory", o.format, o.path)
		}
		// A device, a pipe, or a link to one: removing it would take it from everybody.
		if at, err := os.Stat(o.path); err == nil && !at.Mode().IsRegular() {
			return &hinted{fmt.Errorf("--output %s=%s: that is no regular file", o.format, o.path), "--output " + o.format + " writes to standard output"}
		}
		if o.format == firstSeenFormat {
			continue // it is data, often the same file as that of --first-seen
		}
		if err := os.Remove(o.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("--output %s=%s: remove the old report: %w", o.format, o.path, err)
		}
	}
	return nil
}

// write renders every output, also after one of them failed. Files come first: who
// reads standard output may stop reading, which ends the process.
func (a *app) write(outs []output, v verdict.Verdict, color string) error {
	opts := report.Options{Versions: report.Versions{Ocigate: Version(), Trivy: scan.TrivyVersion}}
	var errs []error
	for _, o := range outs {
		if o.path == "" {
			continue
		}
		err := atomicfile.Write(o.path, 0o644, func(w io.Writer) error { return o.render(w, v, opts) })
		if err != nil {
			errs = append(errs, fmt.Errorf("write the report %s: %w", o.path, err))
		}
	}
	for _, o := range outs {
		if o.path != "" {
			continue
		}
		if o.format == "text" {
			opts.Width, opts.Color = a.terminal(a.streams.Out, color)
		}
		if err := o.render(a.streams.Out, v, opts); err != nil {
			errs = append(errs, fmt.Errorf("write the report: %w", err))
		}
	}
	return errors.Join(errs...)
}

// terminal returns the width of w, 0 if it is no terminal, and whether to use colour:
// as --color says, else as the environment does, else on a terminal.
func (a *app) terminal(w io.Writer, color string) (int, bool) {
	width, isTerm := terminalWidth(w)
	switch color {
	case "always":
		return width, true
	case "never":
		return width, false
	}
	switch {
	case a.env.Get("NO_COLOR") != "":
		return width, false
	case forced(a.env.Get("CLICOLOR_FORCE")), forced(a.env.Get("FORCE_COLOR")):
		return width, true
	}
	return width, isTerm && a.env.Get("TERM") != "dumb"
}

func forced(v string) bool { return v != "" && v != "0" && v != "false" }

// terminalWidth is the number of columns of a terminal, 0 where it does not say.
func terminalWidth(w io.Writer) (int, bool) {
	f, ok := w.(interface{ Fd() uintptr })
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return 0, false
	}
	n, _, err := term.GetSize(int(f.Fd()))
	if err != nil {
		return 0, true
	}
	return n, true
}
