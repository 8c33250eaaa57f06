// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/ocigate/ocigate/pkg/image"
	"github.com/ocigate/ocigate/pkg/policy"
	"github.com/ocigate/ocigate/pkg/policyoci"
)

// loader reaches registries as the flags say.
func (a *app) loader(f networkFlags) loader {
	return loader{registries: func() (policyoci.Options, error) { return a.artifactOptions(f) }}
}

func (a *app) artifactOptions(f networkFlags) (policyoci.Options, error) {
	images, err := a.registryOptions(f, "")
	if err != nil {
		return policyoci.Options{}, err
	}
	transport, err := image.Transport(images)
	return policyoci.Options{
		Transport: transport, Keychain: image.Keychain(images), CheckRedirect: image.CheckRedirect, Insecure: f.insecure,
	}, err
}

func (f *networkFlags) register(fl *pflag.FlagSet) {
	fl.StringVar(&f.caFile, "ca-file", "", "trust the certificates in this PEM file, besides the system's")
	fl.StringArrayVar(&f.insecure, "insecure-registry", nil, "allow plain http or an unverified certificate for this host[:port] (repeatable)")
}

// artifact fetches a policy from a registry. It can name files inside of its artifact
// only.
func (l loader) artifact(ctx context.Context, reference string) (*policy.Document, error) {
	var o policyoci.Options
	// What cannot be used is said before anything is asked for.
	err := policyoci.CheckPinned(reference)
	if err == nil && l.registries != nil {
		o, err = l.registries()
	}
	if err != nil {
		return nil, withHint(err)
	}
	a, pinned, err := policyoci.PullPinned(ctx, reference, o)
	if err != nil {
		return nil, withHint(err)
	}
	return &policy.Document{Source: pinned + "/" + a.Policy.Path, Data: a.Policy.Data,
		Open: func(_ context.Context, name string) ([]byte, error) { return a.Open(name) }}, nil
}

// withHint adds the hint of an error about an artifact.
func withHint(err error) error {
	var reference *policyoci.ReferenceError
	var registry *policyoci.RegistryError
	switch {
	case errors.As(err, &reference):
		return &hinted{err, reference.Hint}
	case errors.As(err, &registry):
		return &hinted{err, registry.Hint}
	default:
		return err
	}
}

func isUnavailable(err error) bool {
	var u policy.Unavailable
	return errors.As(err, &u) && u.Unavailable()
}

// unavailable is an error that says nothing about the command line: nothing could be
// decided.
func unavailable(err error) error { return &failure{withHint(err)} }

func (a *app) policyPushCommand() *cobra.Command {
	var network networkFlags
	cmd := &cobra.Command{
		Use:   "push FILE REFERENCE",
		Short: "Store a policy and the files that it names in a registry",
		Long: `push checks the policy, stores it with every file that it names as one artifact
under REFERENCE (registry/repository:tag), and prints the reference by digest, which
--policy, --enforce and extends take. The same files give the same digest.`,
		Example: `  ocigate policy push ocigate.yaml registry.example.com/policies/production:2026-11`,
		Args:    cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.policyPush(cmd.Context(), args[0], args[1], network)
		},
	}
	network.register(cmd.Flags())
	return cmd
}

func (a *app) policyPush(ctx context.Context, file, reference string, network networkFlags) error {
	if strings.HasPrefix(file, shipped) || strings.HasPrefix(file, policyoci.Scheme) {
		return &hinted{fmt.Errorf("%s is no file", file), "push takes a file; a policy that is shipped or in a registry is extended where it is"}
	}
	rec := &recorder{loader: a.loader(network), seen: map[string]bool{}}
	if _, err := resolveWith(ctx, policy.Request{Policy: file}, rec); err != nil {
		return err
	}
	o, err := a.artifactOptions(network)
	if err != nil {
		return err
	}
	pinned, err := policyoci.Push(ctx, reference, &rec.artifact, o)
	if err != nil {
		if isUnavailable(err) {
			return unavailable(fmt.Errorf("push the policy: %w", err))
		}
		return withHint(err)
	}
	fmt.Fprintln(a.streams.Out, pinned)
	return nil
}

// recorder is a policy.Loader that keeps what the first document and those beneath its
// directory name.
type recorder struct {
	loader   loader
	artifact policyoci.Artifact
	seen     map[string]bool
}

// Load implements policy.Loader.
func (r *recorder) Load(ctx context.Context, reference string, from *policy.Document) (*policy.Document, error) {
	d, err := r.loader.Load(ctx, reference, from)
	if err != nil || from != nil {
		return d, err
	}
	r.artifact.Policy = policyoci.File{Path: path.Base(filepath.ToSlash(reference)), Data: d.Data}
	r.seen[r.artifact.Policy.Path] = true
	open := d.Open
	d.Open = func(ctx context.Context, name string) ([]byte, error) {
		data, err := open(ctx, name)
		if name := path.Clean(name); err == nil && !r.seen[name] {
			r.seen[name] = true
			r.artifact.Files = append(r.artifact.Files, policyoci.File{Path: name, Data: data})
		}
		return data, err
	}
	return d, nil
}

func (a *app) policyPullCommand() *cobra.Command {
	var network networkFlags
	var dir string
	cmd := &cobra.Command{
		Use:   "pull REFERENCE",
		Short: "Fetch a policy and the files that it names from a registry",
		Long: `pull fetches the artifact of a tag or digest and prints its reference by digest,
which --policy, --enforce and extends take. With --output its files are written to a
directory; files that are there already are not overwritten.`,
		Example: `  ocigate policy pull registry.example.com/policies/production:2026-11 --output policies`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.policyPull(cmd.Context(), args[0], dir, network)
		},
	}
	cmd.Flags().StringVarP(&dir, "output", "o", "", "write the files to this directory, which is made where it does not exist")
	network.register(cmd.Flags())
	return cmd
}

func (a *app) policyPull(ctx context.Context, reference, dir string, network networkFlags) error {
	o, err := a.artifactOptions(network)
	if err != nil {
		return err
	}
	artifact, pinned, err := policyoci.Pull(ctx, reference, o)
	if err != nil {
		if isUnavailable(err) {
			return unavailable(fmt.Errorf("pull the policy: %w", err))
		}
		return withHint(err)
	}
	if dir != "" {
		if err := writeFiles(dir, artifact); err != nil {
			return &failure{fmt.Errorf("write the policy: %w", err)}
		}
	}
	fmt.Fprintln(a.streams.Out, pinned)
	return nil
}

// writeFiles writes the files beneath dir, links included that are there already, and
// overwrites none: all or nothing, as far as that can be known before.
func writeFiles(dir string, a *policyoci.Artifact) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close() //nolint:errcheck // nothing is written through it
	files := append([]policyoci.File{a.Policy}, a.Files...)
	for _, f := range files {
		if _, err := root.Lstat(filepath.FromSlash(f.Path)); !errors.Is(err, fs.ErrNotExist) {
			if err != nil {
				return err
			}
			return &hinted{fmt.Errorf("%s is there already", filepath.Join(dir, f.Path)), "name an empty directory, or remove the file"}
		}
	}
	for _, f := range files {
		if parent := path.Dir(f.Path); parent != "." {
			if err := root.MkdirAll(filepath.FromSlash(parent), 0o755); err != nil {
				return err
			}
		}
		w, err := root.OpenFile(filepath.FromSlash(f.Path), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
		if err != nil {
			return err
		}
		_, err = w.Write(f.Data)
		if err := errors.Join(err, w.Close()); err != nil {
			return err
		}
	}
	return nil
}
