// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/ocigate/ocigate/pkg/report"
	"github.com/ocigate/ocigate/pkg/verdict"
)

func (a *app) explainCommand() *cobra.Command {
	var path, format string
	cmd := &cobra.Command{
		Use:   "explain ID --verdict FILE",
		Short: "Explain one rule or finding of a recorded verdict",
		Long: `explain reads the JSON report of a check and tells all that it holds about one thing.
Of a rule: what it demands and where it stands, its outcome, every violation with its
fix, the waivers, and what is in its grace period. Of a finding: severity, package,
layer, fix and dates, and for each rule whether the finding counts or why it does not.
Nothing is scanned again.`,
		Example: `  ocigate check shop:1.0 --output text --output json=verdict.json
  ocigate explain CVE-2024-1234 --verdict verdict.json`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return &hinted{fmt.Errorf("explain takes one id, not %d", len(args)), "ocigate explain ID --verdict FILE"}
			}
			return nil
		},
		RunE: func(_ *cobra.Command, args []string) error {
			if err := oneOf(format); err != nil {
				return err
			}
			if path == "" {
				return &hinted{errors.New("--verdict is not given"), "write one with: ocigate check IMAGE --output json=verdict.json"}
			}
			v, err := a.readVerdict(path)
			if err != nil {
				return err
			}
			return a.explainID(v, args[0], format)
		},
	}
	cmd.Flags().StringVar(&path, "verdict", "", "the JSON report of a check; - for standard input")
	cmd.Flags().StringVarP(&format, "output", "o", "text", "text or json")
	return cmd
}

func (a *app) readVerdict(path string) (verdict.Verdict, error) {
	var in io.Reader = a.streams.In
	if path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return verdict.Verdict{}, &hinted{err, "write one with: ocigate check IMAGE --output json=" + path}
		}
		defer f.Close()
		in = f
	}
	v, err := report.ReadJSON(in)
	if err != nil {
		return v, &hinted{fmt.Errorf("%s: %w", path, err), "--verdict takes what check --output json=FILE wrote"}
	}
	return v, nil
}

func (a *app) explainID(v verdict.Verdict, id, format string) error {
	e, err := report.Explain(v, id)
	var unknown *report.UnknownIDError
	if errors.As(err, &unknown) {
		hint := "an id is that of a rule, or of a finding such as CVE-2024-1234"
		if len(unknown.Near) > 0 {
			hint = "did you mean " + strings.Join(unknown.Near, ", ") + "?"
		}
		return &hinted{err, hint}
	}
	if format == "json" {
		err = report.WriteJSON(a.streams.Out, e)
	} else {
		var o report.Options
		o.Width, o.Color = a.terminal(a.streams.Out, "auto")
		err = report.ExplainText(a.streams.Out, e, o)
	}
	if err != nil {
		return &failure{fmt.Errorf("write the report: %w", err)}
	}
	return nil
}

// forecastTime reads --forecast: a number of days or weeks.
func forecastTime(s string) (time.Duration, error) {
	if s == "" {
		return 0, nil
	}
	unit := 24 * time.Hour
	if strings.HasSuffix(s, "w") {
		unit *= 7
	}
	n, err := strconv.Atoi(strings.TrimRight(s, "dw"))
	if err != nil || n <= 0 || len(s) != len(strconv.Itoa(n))+1 {
		return 0, &hinted{fmt.Errorf("--forecast %q is no number of days or weeks", s), "write 14d or 2w"}
	}
	if n > int(verdict.MaxForecast/unit) {
		return 0, fmt.Errorf("--forecast %s is too far ahead: at most %dd", s, int(verdict.MaxForecast/(24*time.Hour)))
	}
	return time.Duration(n) * unit, nil
}
