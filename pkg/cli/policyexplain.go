// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/ocigate/ocigate/pkg/internal/escape"
	"github.com/ocigate/ocigate/pkg/policy"
	"github.com/ocigate/ocigate/pkg/report"
)

// resolution is what `policy explain --output json` writes.
type resolution struct {
	Name      string               `json:"name"`
	Source    string               `json:"source"`
	Digest    string               `json:"digest"`
	Documents []policy.DocumentRef `json:"documents"`
	// Covers are the documents and files whose bytes the digest covers; Manifest the
	// lines that it is made of, if there is more than one.
	Covers   []policy.Part `json:"covers"`
	Manifest []string      `json:"manifest"`
	// Sections are all per-image sections, Applied those that hold for Images.
	Images   []string         `json:"images"`
	Sections []policy.Section `json:"sections"`
	Applied  []policy.Section `json:"applied"`
	Settings []policy.Setting `json:"settings"`
}

func (a *app) schemaCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "schema",
		Short: "Print the JSON Schema of the policy language, for editors",
		Long: `schema prints the JSON Schema (draft-07) of the policy language. An editor with the
YAML language server completes and checks a policy that begins with

  # yaml-language-server: $schema=` + policy.SchemaID + `

or that is matched to a local copy of the schema.`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if _, err := a.streams.Out.Write(policy.Schema()); err != nil {
				return &failure{fmt.Errorf("write the schema: %w", err)}
			}
			return nil
		},
	}
}

func (a *app) policyExplainCommand() *cobra.Command {
	var f policyFlags
	var images []string
	var format string
	cmd := &cobra.Command{
		Use:   "explain",
		Short: "Show what a policy resolves to: each value with the file and line it comes from",
		Long: `explain resolves a policy as check does, with everything that it extends and all that
is enforced, and lists each value with the place that has the last word about it. It
also lists what the policy's digest (--policy-digest) covers. With --image it shows the
policy for an image of that name, per-image sections included.`,
		Example: `  ocigate policy explain --policy ocigate.yaml --enforce ocigate:baseline
  ocigate policy explain --image registry.example.com/payments/api:1.4`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := oneOf(format); err != nil {
				return err
			}
			for _, name := range images {
				if _, err := policy.ParseName(name); err != nil {
					return &hinted{fmt.Errorf("--image: %w", err), "write it as it is pushed: registry.example.com/team/app:1.4"}
				}
			}
			req, err := a.policyRequest(f)
			if err != nil {
				return err
			}
			p, err := a.resolvePolicy(cmd.Context(), req, f.network)
			if err != nil {
				return err
			}
			r := resolution{
				Name: p.Name, Source: p.Source, Digest: p.Digest, Documents: p.Documents, Covers: p.Parts(), Manifest: p.Manifest(),
				Images: images, Sections: p.Sections(), Applied: p.SectionsFor(images), Settings: p.For(images).Explain(),
			}
			if format == "json" {
				err = report.WriteJSON(a.streams.Out, r)
			} else {
				err = explainPolicy(a.streams.Out, r)
			}
			if err != nil {
				return &failure{fmt.Errorf("write the report: %w", err)}
			}
			return nil
		},
	}
	fl := cmd.Flags()
	f.registerPolicies(fl)
	f.network.register(fl)
	fl.StringArrayVar(&images, "image", nil, "show the policy for an image of this name (repeatable, for an image of several names)")
	fl.StringVarP(&format, "output", "o", "text", "text or json")
	return cmd
}

func explainPolicy(out io.Writer, r resolution) error {
	w := escape.NewWriter(out)
	field := func(name, format string, args ...any) {
		fmt.Fprintf(w, "%-9s %s\n", name, fmt.Sprintf(format, args...))
	}
	field("policy", "%s (%s)", escape.Text(r.Name), escape.Text(r.Source))
	for _, d := range r.Documents {
		if d.Enforced {
			field("enforced", "%s (%s), set by %s", escape.Text(d.Name), escape.Text(d.Source), escape.Text(d.SetBy))
		}
	}
	field("digest", "%s", r.Digest)
	for i, part := range r.Covers {
		name := ""
		if i == 0 {
			name = "covers"
		}
		what := escape.Text(part.Source)
		if part.Path != "" {
			what = escape.Text(part.Path) + ", named by " + what
		}
		field(name, "%s  %s", part.Digest, what)
	}
	explainSections(field, r)
	explainSettings(w, r.Settings)
	return w.Flush()
}

func explainSections(field func(string, string, ...any), r resolution) {
	at := func(s policy.Section) string {
		return fmt.Sprintf("%s:%d (%s)", escape.Text(s.Source), s.Position.Line, escape.Text(strings.Join(s.Match, ", ")))
	}
	if len(r.Images) == 0 {
		for _, s := range r.Sections {
			field("section", "%s, not applied: --image is not given", at(s))
		}
		return
	}
	field("image", "%s", escape.Text(strings.Join(r.Images, ", ")))
	for _, s := range r.Applied {
		field("section", "%s applies", at(s))
	}
	if len(r.Applied) == 0 {
		field("section", "none of %d applies", len(r.Sections))
	}
}

// explainSettings writes the settings in columns, those of a rule or waiver together.
func explainSettings(w io.Writer, settings []policy.Setting) {
	const widest = 60
	group := ""
	for start := 0; start < len(settings); {
		end := start
		g := groupOf(settings[start].Path)
		var names, values []string
		nameWidth, valueWidth := 0, 0
		for ; end < len(settings) && groupOf(settings[end].Path) == g; end++ {
			s := settings[end]
			name, value := escape.Text(strings.TrimPrefix(strings.TrimPrefix(s.Path, g), ".")), short(escape.Text(s.Value), widest)
			names, values = append(names, name), append(values, value)
			nameWidth, valueWidth = max(nameWidth, utf8.RuneCountInString(name)), max(valueWidth, utf8.RuneCountInString(value))
		}
		fmt.Fprintln(w)
		if g != group && g != "" {
			fmt.Fprintln(w, escape.Text(g))
		}
		for i := range names {
			fmt.Fprintf(w, "  %s  %s  %s\n", pad(names[i], nameWidth), pad(values[i], valueWidth), placeOf(settings[start+i]))
		}
		group, start = g, end
	}
}

// groupOf is the rule, waiver or authority that a path is in, or "".
func groupOf(path string) string {
	if i := strings.IndexByte(path, ']'); i >= 0 {
		return path[:i+1]
	}
	return ""
}

func placeOf(s policy.Setting) string {
	if s.Default {
		return "default"
	}
	p := fmt.Sprintf("%s:%d", escape.Text(s.Source), s.Line)
	if s.Enforced {
		p += ", enforced"
	}
	return p
}

func pad(s string, width int) string {
	return s + strings.Repeat(" ", max(0, width-utf8.RuneCountInString(s)))
}

// short cuts a value; it stands in full in the JSON output.
func short(s string, n int) string {
	if utf8.RuneCountInString(s) <= n {
		return s
	}
	return string([]rune(s)[:n-1]) + "…"
}
