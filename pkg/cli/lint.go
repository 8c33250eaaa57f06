// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ocigate/ocigate/pkg/internal/escape"
	"github.com/ocigate/ocigate/pkg/policy"
	"github.com/ocigate/ocigate/pkg/report"
)

// linted is what `policy lint --output json` writes.
type linted struct {
	OK    bool         `json:"ok"`
	Files []lintedFile `json:"files"`
	// Diagnostics are the mistakes of all files, each once.
	Diagnostics []mistake `json:"diagnostics"`
	// Notes are what is no mistake, and should be known; each once.
	Notes []mistake `json:"notes,omitempty"`
}

type lintedFile struct {
	File string `json:"file"`
	OK   bool   `json:"ok"`
	// Kind is "policy" or "waivers".
	Kind    string `json:"kind"`
	Name    string `json:"name,omitempty"`
	Rules   int    `json:"rules"`
	Waivers int    `json:"waivers"`
}

// mistake is a policy.Diagnostic in the form that editors and problem matchers read.
type mistake struct {
	File string `json:"file"`
	// Line and Column count from 1; 0 where the mistake has no place, as in a file that
	// cannot be read.
	Line    int    `json:"line"`
	Column  int    `json:"column"`
	Path    string `json:"path,omitempty"`
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"`
}

func (m mistake) String() string {
	return policy.Diagnostic{
		File: m.File, Position: policy.Position{Line: m.Line, Column: m.Column}, Path: m.Path, Message: m.Message, Hint: m.Hint,
	}.String()
}

func (a *app) lintCommand() *cobra.Command {
	var flags policyFlags
	var format string
	cmd := &cobra.Command{
		Use:   "lint FILE...",
		Short: "Check policy files and show every mistake with its line and column",
		Long: `lint checks policies, and files of waivers by themselves. It shows all mistakes of
all files at once, each as FILE:LINE:COLUMN: MESSAGE (HINT), and exits 2 if there are any.
With --enforce it also shows where a policy loosens what is enforced. A note says what is
no mistake, and gives something away or is said in vain; it changes no exit code.`,
		Example: `  ocigate policy lint ocigate.yaml waivers/*.yaml
  ocigate policy lint ocigate.yaml --enforce ocigate:baseline --output json`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := oneOf(format); err != nil {
				return err
			}
			result, err := a.lint(cmd.Context(), args, flags)
			if err != nil {
				return err
			}
			if format == "json" {
				if err := report.WriteJSON(a.streams.Out, result); err != nil {
					return &failure{fmt.Errorf("write the report: %w", err)}
				}
			} else {
				a.lintText(result)
			}
			if !result.OK {
				return &exitError{ExitUsage}
			}
			return nil
		},
	}
	flags.network.register(cmd.Flags())
	cmd.Flags().StringArrayVar(&flags.enforce, "enforce", nil, "a policy that stands above, which the files can only tighten (repeatable; OCIGATE_ENFORCE adds more)")
	cmd.Flags().StringVarP(&format, "output", "o", "text", "text or json")
	return cmd
}

// oneOf refuses what is no format of a command that writes one document.
func oneOf(format string) error {
	if format != "text" && format != "json" {
		return &hinted{fmt.Errorf("--output %q: no such format", format), "the formats are text and json"}
	}
	return nil
}

func (a *app) lint(ctx context.Context, files []string, flags policyFlags) (linted, error) {
	result := linted{OK: true}
	for _, file := range files {
		f, notes, err := a.lintFile(ctx, file, flags)
		if ctx.Err() != nil {
			return result, ctx.Err()
		}
		f.OK = err == nil
		result.OK = result.OK && f.OK
		result.Files = append(result.Files, f)
		result.Diagnostics = addMistakes(result.Diagnostics, mistakes(file, err))
		result.Notes = addMistakes(result.Notes, asMistakes(notes))
	}
	return result, nil
}

// addMistakes adds those that are new.
func addMistakes(list, more []mistake) []mistake {
	for _, m := range more {
		if !slices.Contains(list, m) {
			list = append(list, m)
		}
	}
	return list
}

func (a *app) lintFile(ctx context.Context, file string, flags policyFlags) (lintedFile, []policy.Diagnostic, error) {
	f := lintedFile{File: file, Kind: "policy"}
	if file == "" {
		return f, nil, errors.New("the name of the file is empty")
	}
	if !strings.HasPrefix(file, shipped) {
		if d, err := (loader{}).Load(ctx, file, nil); err == nil && policy.IsWaiverFile(d.Data) {
			f.Kind = "waivers"
			waivers, err := policy.ParseWaivers(file, d.Data)
			f.Waivers = len(waivers)
			return f, nil, err
		}
	}
	flags.policy = file
	req, err := a.policyRequest(flags)
	if err != nil {
		return f, nil, err
	}
	p, err := a.resolvePolicy(ctx, req, flags.network)
	if err != nil {
		return f, nil, err
	}
	f.Name, f.Rules, f.Waivers = p.Name, len(p.Rules), len(p.Waivers)
	return f, p.Notes(), nil
}

func mistakes(file string, err error) []mistake {
	var parse *policy.ParseError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &parse):
		return asMistakes(parse.Diagnostics)
	}
	m := mistake{File: file, Message: escape.Text(err.Error())}
	var h *hinted
	if errors.As(err, &h) {
		m.Hint = h.hint
	}
	return []mistake{m}
}

func asMistakes(ds []policy.Diagnostic) []mistake {
	var list []mistake
	for _, d := range ds {
		list = append(list, mistake{d.File, d.Position.Line, d.Position.Column, d.Path, d.Message, d.Hint})
	}
	return list
}

func (a *app) lintText(result linted) {
	bad := 0
	out := escape.NewWriter(a.streams.Out)
	for _, f := range result.Files {
		switch {
		case !f.OK:
			bad++
		case f.Kind == "waivers":
			fmt.Fprintf(out, "%s: %d waivers: no mistakes\n", escape.Text(f.File), f.Waivers)
		default:
			fmt.Fprintf(out, "%s: policy %q, %d rules, %d waivers: no mistakes\n", escape.Text(f.File), f.Name, f.Rules, f.Waivers)
		}
	}
	for _, m := range result.Diagnostics {
		fmt.Fprintln(a.streams.Err, m)
	}
	for _, m := range result.Notes {
		fmt.Fprintln(a.streams.Err, "note:", m)
	}
	if bad > 0 {
		fmt.Fprintf(a.streams.Err, "ocigate: mistakes in %d of %d files\n", bad, len(result.Files))
	}
}
