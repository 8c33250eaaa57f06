// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/ocigate/ocigate/pkg/internal/atomicfile"
)

func (a *app) manCommand() *cobra.Command {
	return &cobra.Command{
		Use:    "man DIR",
		Short:  "Write the manual pages, one for each command",
		Hidden: true, // it is for whoever makes a package
		Args:   cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := os.MkdirAll(args[0], 0o755); err != nil {
				return fmt.Errorf("write the manual pages: %w", err)
			}
			root := cmd.Root()
			root.InitDefaultCompletionCmd()
			root.InitDefaultHelpCmd()
			return writePages(root, args[0])
		},
	}
}

// writePages writes the page of a command and of those below it.
func writePages(cmd *cobra.Command, dir string) error {
	for _, below := range cmd.Commands() {
		if below.IsAvailableCommand() {
			if err := writePages(below, dir); err != nil {
				return err
			}
		}
	}
	path := filepath.Join(dir, pageName(cmd)+".1")
	err := atomicfile.Write(path, 0o644, func(w io.Writer) error {
		_, err := w.Write(page(cmd))
		return err
	})
	if err != nil {
		return &failure{fmt.Errorf("write the manual page %s: %w", path, err)}
	}
	return nil
}

// sourceDay is the day of the commit that the program was built of, if that is known.
func sourceDay() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if t, err := time.Parse(time.RFC3339, s.Value); s.Key == "vcs.time" && err == nil {
				return t.UTC().Format(time.DateOnly)
			}
		}
	}
	return ""
}

func pageName(cmd *cobra.Command) string { return strings.ReplaceAll(cmd.CommandPath(), " ", "-") }

// manual is a page on its way, in the language of troff's man macros.
type manual struct{ bytes.Buffer }

func page(cmd *cobra.Command) []byte {
	m := &manual{}
	cmd.InitDefaultHelpFlag()
	// The date is the source's: the same program writes the same bytes.
	fmt.Fprintf(m, ".TH \"%s\" \"1\" \"%s\" \"ocigate %s\" \"ocigate manual\"\n", strings.ToUpper(pageName(cmd)), sourceDay(), roff(Version()))
	m.section("NAME")
	fmt.Fprintf(m, "%s \\- %s\n", roff(pageName(cmd)), roff(lowerFirst(cmd.Short)))
	m.section("SYNOPSIS")
	fmt.Fprintf(m, "\\fB%s\\fR\n", roff(cmd.UseLine()))
	m.section("DESCRIPTION")
	long := cmd.Long
	if long == "" {
		long = cmd.Short + "."
	}
	m.prose(long)
	m.commands(cmd)
	m.flags("OPTIONS", cmd.NonInheritedFlags())
	m.flags("OPTIONS OF ALL COMMANDS", cmd.InheritedFlags())
	if cmd.Example != "" {
		m.section("EXAMPLES")
		m.literal(strings.Split(cmd.Example, "\n"))
	}
	m.section("EXIT STATUS")
	for _, e := range exitCodes() {
		m.entry(e.name, e.about)
	}
	m.environment(cmd)
	m.seeAlso(cmd)
	return m.Bytes()
}

func (m *manual) section(title string) { fmt.Fprintf(m, ".SH %s\n", title) }

// entry is a term and what is to be said about it.
func (m *manual) entry(term, about string) {
	fmt.Fprintf(m, ".TP\n\\fB%s\\fR\n%s\n", roff(term), line(about))
}

// prose sets paragraphs; indented lines are set as they are.
func (m *manual) prose(text string) {
	for i, paragraph := range strings.Split(text, "\n\n") {
		if i > 0 {
			m.WriteString(".PP\n")
		}
		lines := strings.Split(strings.Trim(paragraph, "\n"), "\n")
		if strings.HasPrefix(lines[0], "\t") || strings.HasPrefix(lines[0], "  ") {
			m.literal(lines)
			continue
		}
		for _, l := range lines {
			m.WriteString(line(strings.TrimSpace(l)) + "\n")
		}
	}
}

func (m *manual) literal(lines []string) {
	m.WriteString(".nf\n")
	for _, l := range lines {
		m.WriteString(line(l) + "\n")
	}
	m.WriteString(".fi\n")
}

func (m *manual) commands(cmd *cobra.Command) {
	if !cmd.HasAvailableSubCommands() {
		return
	}
	m.section("COMMANDS")
	for _, below := range cmd.Commands() {
		if below.IsAvailableCommand() {
			m.entry(pageName(below)+"(1)", below.Short+".")
		}
	}
}

func (m *manual) flags(title string, flags *pflag.FlagSet) {
	if !flags.HasAvailableFlags() {
		return
	}
	m.section(title)
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Hidden {
			return
		}
		name := "--" + f.Name
		if f.Shorthand != "" {
			name = "-" + f.Shorthand + ", " + name
		}
		kind, usage := pflag.UnquoteUsage(f)
		if kind != "" {
			name += " " + kind
		}
		switch f.DefValue {
		case "", "false", "[]", "0s", "0":
		default:
			usage += " (default " + f.DefValue + ")"
		}
		m.entry(name, usage)
	})
}

func (m *manual) environment(cmd *cobra.Command) {
	m.section("ENVIRONMENT")
	if cmd.HasParent() {
		m.WriteString("See ocigate(1).\n")
		return
	}
	for _, e := range environment() {
		m.entry(e.name, e.about)
	}
}

func (m *manual) seeAlso(cmd *cobra.Command) {
	var list []string
	if cmd.HasParent() {
		list = append(list, pageName(cmd.Parent())+"(1)")
	}
	for _, below := range cmd.Commands() {
		if below.IsAvailableCommand() {
			list = append(list, pageName(below)+"(1)")
		}
	}
	m.section("SEE ALSO")
	m.WriteString(line(strings.Join(list, ", ")) + "\n")
}

// roff escapes what troff would take for its own.
func roff(s string) string {
	return strings.NewReplacer(`\`, `\e`, "-", `\-`, "'", `\(aq`, "`", `\(ga`, "^", `\(ha`, "~", `\(ti`, "…", `\&...`, "“", `"`, "”", `"`).Replace(s)
}

// line is a line of text that is no request.
func line(s string) string {
	s = roff(s)
	if strings.HasPrefix(s, ".") {
		return `\&` + s
	}
	return s
}

func lowerFirst(s string) string {
	if s == "" {
		return s
	}
	return strings.ToLower(s[:1]) + s[1:]
}
