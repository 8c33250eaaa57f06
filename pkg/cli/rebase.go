// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/ocigate/ocigate/pkg/evidence"
	"github.com/ocigate/ocigate/pkg/gate"
	"github.com/ocigate/ocigate/pkg/image"
	"github.com/ocigate/ocigate/pkg/verdict"
)

func (a *app) rebaseCommand() *cobra.Command {
	f := &checkFlags{}
	var destination string
	cmd := &cobra.Command{
		Use:   "rebase IMAGE NEWBASE --output-image DEST",
		Short: "Put an image's own layers on a newer base, and judge the result",
		Long: `rebase makes a new image without a build: it takes the layers that IMAGE adds to its
base, puts them on the layers of NEWBASE, writes the result to DEST, and judges that as
check does. It says which violations are gone, which stay and which are new; reports and
exit code are those of the new image: 0 (PASSED), 1 (FAILED), 2 (usage) or 3 (could not
decide, or the image cannot be rebased).

The base that IMAGE is built on is found as check finds it (--base, the Dockerfile,
provenance, annotations, labels), and must be proven by its layers. NEWBASE is an image
in a registry, best by digest, or a local one such as oci-archive:base.tar. DEST is
oci:DIR, oci-archive:FILE or docker-archive:FILE, where nothing is yet.

From NEWBASE come its layers, their history, and operating system and architecture;
everything else comes from IMAGE: user, environment, entrypoint, command, labels, dates
(or SOURCE_DATE_EPOCH). Annotations and labels that name the base name the new one.
Signatures, attestations and provenance are about IMAGE and are not copied: the new image
is unsigned. It was never run: test it again before it is pushed.

Images whose own layers install packages, that were squashed, or whose new base is
another distribution or platform cannot be rebased: build them again.`,
		Example: `  ocigate rebase oci-archive:app.tar registry.example.com/base@sha256:… --output-image oci:rebased --policy ocigate.yaml
  ocigate rebase shop:1.0 alpine:3.20 --base alpine:3.19 --output-image docker-archive:shop.tar`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 2 {
				return &hinted{fmt.Errorf("rebase takes an image and its new base, not %d arguments", len(args)), "ocigate rebase IMAGE NEWBASE --output-image oci:DIR --policy FILE"}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			r := &rebasing{app: a, flags: f, reference: args[0], newBase: args[1], destination: destination}
			return r.run(cmd.Context())
		},
	}
	fl := cmd.Flags()
	f.register(fl)
	f.registerScan(fl)
	fl.StringVar(&f.base.base, "old-base", "", "the same as --base")
	fl.StringVar(&destination, "output-image", "", "where the new image is written: oci:DIR, oci-archive:FILE or docker-archive:FILE")
	return cmd
}

// rebasing is one run of `ocigate rebase`.
type rebasing struct {
	*app
	flags                           *checkFlags
	reference, newBase, destination string

	req      gate.Request
	to       image.Destination
	created  time.Time
	progress *progress
	images   image.Options
}

func (r *rebasing) run(ctx context.Context) error {
	outs, err := parseOutputs(r.flags.outputs, "")
	if err != nil {
		return err
	}
	if err := removeOld(outs); err != nil {
		return err
	}
	if err := r.prepare(ctx, outs); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, r.flags.timeout)
	defer cancel()
	r.progress = r.newProgress(r.screen, r.flags.quiet)
	defer r.progress.done()
	before, err := r.judgeBefore(ctx)
	if err != nil {
		return err
	}
	made, err := r.rebase(ctx, before)
	if err != nil {
		return refused(err)
	}
	after, err := r.judgeAfter(ctx, made)
	r.progress.done()
	if err != nil {
		return err
	}
	r.tell(outs, made, compare(before, after))
	return r.answer(outs, after, r.flags.color)
}

// prepare checks what can be wrong with the command line.
func (r *rebasing) prepare(ctx context.Context, outs []output) error {
	if r.destination == "" {
		return &hinted{errors.New("--output-image is not given"), "say where the new image is written: --output-image oci:DIR"}
	}
	var err error
	if r.to, err = image.ParseDestination(r.destination); err != nil {
		return asUsage("--output-image", err)
	}
	for _, o := range outs {
		if o.path != "" && (o.path == r.to.Path || strings.HasPrefix(o.path, r.to.Path+string(filepath.Separator))) {
			return &hinted{fmt.Errorf("--output %s=%s: the new image is written there", o.format, o.path), "give the report a path of its own"}
		}
	}
	if err := image.CheckBase(r.newBase); err != nil {
		return asUsage("NEWBASE", err)
	}
	if r.newBase == "scratch" {
		return &hinted{errors.New("NEWBASE scratch: there are no layers to put anything on"), "name an image"}
	}
	if r.created, err = sourceDate(r.env.Get("SOURCE_DATE_EPOCH")); err != nil {
		return err
	}
	if r.req, err = r.request(ctx, r.reference, r.flags); err != nil {
		return err
	}
	return bindFirstSeen(outs, r.req)
}

func asUsage(what string, err error) error {
	var e *image.Error
	if errors.As(err, &e) {
		return &hinted{fmt.Errorf("%s %s: %w", what, e.Subject, e.Err), e.Hint}
	}
	return err
}

// sourceDate reads SOURCE_DATE_EPOCH: seconds since 1970.
func sourceDate(s string) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n <= 0 || n > 1<<36 {
		return time.Time{}, &hinted{fmt.Errorf("SOURCE_DATE_EPOCH %q is no time", s), "it is a number of seconds since 1970"}
	}
	return time.Unix(n, 0).UTC(), nil
}

// refused is for an image that stays as it is: nothing was decided about a new one.
func refused(err error) error {
	var e *image.Error
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return &failure{&hinted{fmt.Errorf("the time for this run is over: %w", err), "allow more time with --timeout"}}
	case errors.As(err, &e) && e.Kind == image.KindUsage:
		return &hinted{err, e.Hint}
	case errors.As(err, &e):
		return &failure{&hinted{err, e.Hint}}
	}
	return &failure{err}
}

// judgeBefore examines the image as it is: which base it has, and what is wrong with it.
func (r *rebasing) judgeBefore(ctx context.Context) (verdict.Verdict, error) {
	req := r.req
	req.FailFast, req.Forecast = false, 0
	v, err := r.judge(ctx, req, r.flags, r.progress)
	if err == nil && len(v.Subjects) == 0 {
		p := evidence.Problem{Message: "nothing of it was examined"}
		if len(v.Problems) > 0 {
			p = v.Problems[0]
		}
		err = &failure{&hinted{fmt.Errorf("%s cannot be rebased: %s", r.reference, p.Message), p.Hint}}
	}
	return v, err
}

// judgeAfter judges what was written, by its digest, and makes sure that it was that.
func (r *rebasing) judgeAfter(ctx context.Context, made *rebasedImage) (verdict.Verdict, error) {
	req := r.req
	req.Reference, req.Base = made.written.Reference, made.base
	r.progress.phase("judging " + made.written.Reference)
	v, err := r.judge(ctx, req, r.flags, r.progress)
	if err != nil {
		return v, err
	}
	for _, s := range v.Subjects {
		id := s.Evidence.Subject.ImageID
		if !slices.ContainsFunc(made.images, func(m *image.Rebased) bool { return m.ImageID == id }) {
			return v, &failure{&hinted{fmt.Errorf("%s was judged as %s, which is not what was written", made.written.Reference, id), "does something else write there? name another path"}}
		}
	}
	return v, nil
}
