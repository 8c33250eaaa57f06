// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/ocigate/ocigate/pkg/internal/escape"
	"github.com/ocigate/ocigate/pkg/internal/wording"
)

func (a *app) cacheCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "cache",
		Short: "Look at the cache directory, and clean it",
		Long: `The cache directory holds what was learned of layers, the databases, and trusted
roots for signatures. All of it can be removed at any time: what is needed is
analysed or fetched again.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_ = cmd.Help() // to standard output; nothing to do if that fails
			return &exitError{ExitUsage}
		},
	}
	cmd.AddCommand(a.cacheInfoCommand(), a.cacheCleanCommand())
	return cmd
}

const cacheDirAbout = "cache directory (default: OCIGATE_CACHE_DIR, else ocigate in the user's cache directory)"

func (a *app) cacheInfoCommand() *cobra.Command {
	var dir, output string
	cmd := &cobra.Command{
		Use:   "info",
		Short: "Show what the cache directory holds",
		Example: `  ocigate cache info
  ocigate cache info --output json`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if output != "text" && output != "json" {
				return &hinted{fmt.Errorf("--output %q: no such format", output), "text or json"}
			}
			info, err := a.cacheInfo(dir)
			if err != nil {
				return err
			}
			if output == "json" {
				err = writeCacheJSON(a.streams.Out, info)
			} else {
				err = writeCacheText(a.streams.Out, info)
			}
			if err != nil {
				return &failure{fmt.Errorf("write to standard output: %w", err)}
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&dir, "cache-dir", "", cacheDirAbout)
	cmd.Flags().StringVarP(&output, "output", "o", "text", "format: text or json")
	return cmd
}

// cacheInfo is what `ocigate cache info` shows.
type cacheInfo struct {
	Directory string       `json:"directory"`
	Entries   int          `json:"entries"`
	Bytes     int64        `json:"bytes"`
	Kinds     []*cacheHeld `json:"kinds"`
}

// cacheHeld is what the cache directory holds of one kind.
type cacheHeld struct {
	Kind    string     `json:"kind"`
	Entries int        `json:"entries"`
	Bytes   int64      `json:"bytes"`
	Oldest  *time.Time `json:"oldest,omitempty"`
	Newest  *time.Time `json:"newest,omitempty"`
}

func (a *app) cacheInfo(flag string) (*cacheInfo, error) {
	dir, root, err := a.openCacheDir(flag)
	if err != nil {
		return nil, err
	}
	info := &cacheInfo{Directory: dir}
	for _, k := range cacheKinds() {
		held := &cacheHeld{Kind: k.name}
		info.Kinds = append(info.Kinds, held)
		if root == nil {
			continue
		}
		for f := range k.files(root) {
			held.add(f)
		}
		info.Entries += held.Entries
		info.Bytes += held.Bytes
	}
	if root != nil {
		_ = root.Close() // nothing was written through it
	}
	return info, nil
}

func (h *cacheHeld) add(f cacheFile) {
	h.Bytes += f.size
	if !f.entry {
		return
	}
	h.Entries++
	used := f.used.UTC().Truncate(time.Second)
	if h.Oldest == nil || used.Before(*h.Oldest) {
		h.Oldest = &used
	}
	if h.Newest == nil || used.After(*h.Newest) {
		h.Newest = &used
	}
}

func writeCacheJSON(w io.Writer, info *cacheInfo) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(info)
}

func writeCacheText(w io.Writer, info *cacheInfo) error {
	_, err := fmt.Fprintf(w, "%s\n", escape.Line(escape.Text(info.Directory)))
	for _, h := range info.Kinds {
		line := fmt.Sprintf("%-12s  %6d  %10s", h.Kind, h.Entries, wording.Bytes(h.Bytes))
		if h.Oldest != nil {
			line += fmt.Sprintf("  used %s to %s", h.Oldest.Format(time.DateTime), h.Newest.Format(time.DateTime))
		}
		_, werr := fmt.Fprintln(w, line)
		err = errors.Join(err, werr)
	}
	_, werr := fmt.Fprintf(w, "%-12s  %6d  %10s\n", "all", info.Entries, wording.Bytes(info.Bytes))
	return errors.Join(err, werr)
}

// cleanFlags say what `ocigate cache clean` removes.
type cleanFlags struct {
	dir       string
	layers    bool
	database  bool
	all       bool
	olderThan string
}

func (a *app) cacheCleanCommand() *cobra.Command {
	f := &cleanFlags{}
	cmd := &cobra.Command{
		Use:   "clean",
		Short: "Remove what the cache directory holds",
		Long: `clean removes files that ocigate wrote, and no others. A check that runs at the same
time may have to fetch its database again.`,
		Example: `  ocigate cache clean --older-than 30d
  ocigate cache clean --layers
  ocigate cache clean --all`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return a.cacheClean(f, time.Now()) },
	}
	fl := cmd.Flags()
	fl.StringVar(&f.dir, "cache-dir", "", cacheDirAbout)
	fl.BoolVar(&f.layers, "layers", false, "remove what was learned of layers")
	fl.BoolVar(&f.database, "database", false, "remove the databases")
	fl.BoolVar(&f.all, "all", false, "remove everything, trusted roots included")
	fl.StringVar(&f.olderThan, "older-than", "", "remove only what was not used for this time (12h, 30d, 2w); without another flag, of everything")
	return cmd
}

func (a *app) cacheClean(f *cleanFlags, now time.Time) error {
	var before time.Time
	if f.olderThan != "" {
		age, err := parseAge(f.olderThan)
		if err != nil {
			return &hinted{fmt.Errorf("--older-than %q: %w", f.olderThan, err), "write 12h, 30d or 2w"}
		}
		before = now.Add(-age)
	}
	if f.all && (f.layers || f.database) {
		return errors.New("--all contradicts --layers and --database: it removes more than these")
	}
	if !f.layers && !f.database && !f.all && f.olderThan == "" {
		return &hinted{errors.New("cache clean was not told what to remove"), "--layers, --database, --older-than 30d or --all"}
	}
	everything := !f.layers && !f.database
	dir, root, err := a.openCacheDir(f.dir)
	if err != nil {
		return err
	}
	if root == nil {
		return a.cleaned(dir, 0, 0)
	}
	defer root.Close()
	var files int
	var size int64
	var errs error
	for _, k := range cacheKinds() {
		if !everything && !(f.layers && k.name == kindLayers) && !(f.database && k.name == kindDatabases) {
			continue
		}
		n, bytes, err := k.clean(root, before)
		files, size, errs = files+n, size+bytes, errors.Join(errs, err)
	}
	if errs != nil {
		return &failure{&hinted{fmt.Errorf("clean the cache directory: %w", errs), "another user may own these files"}}
	}
	return a.cleaned(dir, files, size)
}

func (a *app) cleaned(dir string, files int, size int64) error {
	noun := "files"
	if files == 1 {
		noun = "file"
	}
	if _, err := fmt.Fprintf(a.streams.Out, "removed %d %s (%s) from %s\n", files, noun, wording.Bytes(size), escape.Line(escape.Text(dir))); err != nil {
		return &failure{fmt.Errorf("write to standard output: %w", err)}
	}
	return nil
}

// openCacheDir opens the cache directory, and makes none: root is nil where there is none.
func (a *app) openCacheDir(flag string) (string, *os.Root, error) {
	dir, err := a.cachePath(flag)
	if err != nil {
		return "", nil, err
	}
	root, err := os.OpenRoot(dir)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return dir, nil, nil
	case err != nil:
		return "", nil, &failure{&hinted{fmt.Errorf("open the cache directory: %w", err), "set --cache-dir or OCIGATE_CACHE_DIR to a directory that can be read"}}
	}
	return dir, root, nil
}
