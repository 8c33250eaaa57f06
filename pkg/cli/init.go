// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ocigate/ocigate/pkg/internal/escape"
	"github.com/ocigate/ocigate/pkg/policy"
	"github.com/ocigate/ocigate/policies"
)

// planned is a file that init writes.
type planned struct {
	path string
	text []byte
	// why it is written, and what is left to do.
	why, next string
}

type initFlags struct {
	from          string
	dryRun, force bool
}

func (a *app) initCommand() *cobra.Command {
	f := &initFlags{}
	cmd := &cobra.Command{
		Use:   "init [DIR]",
		Short: "Write a policy and the pipeline that judges by it, for the repository here",
		Long: `init looks at the repository in DIR (default: here) and writes what it needs to start:

  ocigate.yaml                   the policy: a shipped one, line by line, with the base
                                 images and users that the Dockerfiles name
  .github/workflows/ocigate.yml  where there is .github or a remote at GitHub
  .gitlab/ocigate.yml            where there is .gitlab-ci.yml or a remote at GitLab,
                                 to be included there

Each is commented line by line. A file that is there is left as it is unless --force is
given. Nothing outside DIR is read or written, links included, and no program is started.
For a policy alone, in a place of your choice, there is ` + "`ocigate policy init`" + `.`,
		Example: `  ocigate init --dry-run
  ocigate init --from strict`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			dir := "."
			if len(args) == 1 {
				dir = args[0]
			}
			return a.setUp(dir, f)
		},
	}
	cmd.Flags().StringVar(&f.from, "from", "baseline", "the shipped policy to start from")
	cmd.Flags().BoolVar(&f.dryRun, "dry-run", false, "show what would be written, and write nothing")
	cmd.Flags().BoolVar(&f.force, "force", false, "replace files that are there")
	return cmd
}

// setUp writes what a repository needs.
func (a *app) setUp(dir string, f *initFlags) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return fmt.Errorf("open the repository: %w", err)
	}
	defer root.Close()
	r := look(root)
	files, err := plan(r, f.from)
	if err != nil {
		return err
	}
	for _, n := range r.notes {
		fmt.Fprintf(a.streams.Err, "ocigate: note: %s\n", escape.Text(n))
	}
	written := 0
	for _, p := range files {
		_, err := root.Lstat(p.path)
		there := err == nil
		switch {
		case there && !f.force:
			fmt.Fprintf(a.streams.Err, "ocigate: %s is there already and left as it is; --force replaces it\n", p.path)
			continue
		case f.dryRun:
			a.showPlanned(p, there)
		default:
			if err := writeIn(root, p.path, p.text); err != nil {
				return &failure{fmt.Errorf("write %s: %w", p.path, err)}
			}
			fmt.Fprintf(a.streams.Err, "ocigate: wrote %s: %s\n", p.path, p.why)
			if p.next != "" {
				fmt.Fprintf(a.streams.Err, "ocigate: %s: %s\n", p.path, p.next)
			}
		}
		written++
	}
	if written == 0 {
		return &hinted{errors.New("everything is there already: nothing is written"), "--force replaces the files, --dry-run --force shows by what"}
	}
	if !r.github && !r.gitlab {
		fmt.Fprintln(a.streams.Err, "ocigate: no pipeline is written: there is no .github, no .gitlab-ci.yml, and no remote at GitHub or GitLab")
	}
	if !f.dryRun {
		fmt.Fprintln(a.streams.Err, "ocigate: next: ocigate policy lint ocigate.yaml, ocigate check IMAGE")
	}
	return nil
}

func (a *app) showPlanned(p planned, there bool) {
	verb := "would write"
	if there {
		verb = "would replace"
	}
	out := escape.NewWriter(a.streams.Out)
	fmt.Fprintf(out, "# %s %s: %s\n%s\n", verb, p.path, p.why, p.text)
	if p.next != "" {
		fmt.Fprintf(a.streams.Err, "ocigate: %s: %s\n", p.path, p.next)
	}
	_ = out.Flush() // what is written ends in a newline
}

// plan makes all files before the first is written.
func plan(r *repository, from string) ([]planned, error) {
	text, err := starter(from)
	if err != nil {
		return nil, &hinted{fmt.Errorf("--from: %w", err), "one of " + strings.Join(policies.Names(), ", ")}
	}
	text = r.tailor(text)
	if _, err := policy.Parse(defaultPolicy, text); err != nil {
		return nil, &failure{&hinted{fmt.Errorf("the policy for this repository has mistakes: %w", err), "this is a bug: please report it"}}
	}
	files := []planned{{path: defaultPolicy, text: text, why: "the policy, from " + shipped + strings.TrimPrefix(from, shipped)}}
	pipelines, err := r.pipelines()
	return append(files, pipelines...), err
}

// writeIn writes a file in the repository. What stands at its place is replaced, not
// followed.
func writeIn(root *os.Root, name string, data []byte) error {
	if err := root.MkdirAll(path.Dir(name), 0o755); err != nil {
		return err
	}
	aside := name + ".ocigate-new"
	if err := root.Remove(aside); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := root.OpenFile(aside, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err = errors.Join(err, f.Close()); err == nil {
		err = root.Rename(aside, name)
	}
	if err != nil {
		_ = root.Remove(aside) // the error is the one before
	}
	return err
}
