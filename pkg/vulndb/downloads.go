// SPDX-License-Identifier: Apache-2.0

package vulndb

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// downloaded is the path of a layer in the directory of downloads.
func (k kind) downloaded(dir string, h v1.Hash) string {
	return filepath.Join(dir, k.dir+"-"+h.Hex+".tar.gz")
}

// openLayer opens the layer's bytes: those in o.Downloads if they have the digest that the
// repository names, whoever put them there, else the repository's, which are then kept.
// done is called once they were read to the end and found good.
func openLayer(k kind, o Options, layer v1.Layer, desc v1.Descriptor) (blob io.ReadCloser, done func(), err error) {
	if o.Downloads != "" {
		f, err := openDownloaded(k.downloaded(o.Downloads, desc.Digest), desc)
		if err == nil {
			o.Progress("using the " + k.name + " that was downloaded before")
			return f, func() { k.removeOthers(o.Downloads, desc.Digest) }, nil
		}
		if !errors.Is(err, os.ErrNotExist) {
			o.Progress(fmt.Sprintf("what was downloaded before is not used: %v", err))
		}
	}
	blob, err = layer.Compressed() // checks size and digest when read to its end
	if err != nil || o.Downloads == "" {
		return blob, func() {}, err
	}
	kept, err := keep(blob, o.Downloads)
	if err != nil {
		o.Progress(fmt.Sprintf("the download is not kept: %v", err))
		return blob, func() {}, nil
	}
	return kept, func() {
		if err := kept.publish(k.downloaded(o.Downloads, desc.Digest)); err != nil {
			o.Progress(fmt.Sprintf("the download is not kept: %v", err))
			return
		}
		k.removeOthers(o.Downloads, desc.Digest)
	}, nil
}

// openDownloaded opens a regular file that has this size and digest.
func openDownloaded(path string, desc v1.Descriptor) (_ *os.File, err error) {
	info, err := os.Lstat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() != desc.Size {
		return nil, errors.New("it is no file of the size that the repository names")
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, f.Close())
		}
	}()
	h := sha256.New()
	if _, err := io.Copy(h, io.LimitReader(f, desc.Size+1)); err != nil {
		return nil, err
	}
	if desc.Digest.Algorithm != "sha256" || hex.EncodeToString(h.Sum(nil)) != desc.Digest.Hex {
		return nil, errors.New("it has not the digest that the repository names")
	}
	_, err = f.Seek(0, io.SeekStart)
	return f, err
}

// removeOthers removes older downloads. What cannot be removed does no harm.
func (k kind) removeOthers(dir string, but v1.Hash) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return
	}
	for _, e := range entries {
		hash, ok := strings.CutPrefix(e.Name(), k.dir+"-")
		if ok && len(hash) == len(but.Hex)+len(".tar.gz") && filepath.Join(dir, e.Name()) != k.downloaded(dir, but) {
			_ = os.Remove(filepath.Join(dir, e.Name()))
		}
	}
}

// keeper writes what is read from a blob to a file beside.
type keeper struct {
	blob io.ReadCloser
	file *os.File
	err  error
}

func keep(blob io.ReadCloser, dir string) (*keeper, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	f, err := os.CreateTemp(dir, "part-")
	if err != nil {
		return nil, err
	}
	return &keeper{blob: blob, file: f}, nil
}

func (w *keeper) Read(p []byte) (int, error) {
	n, err := w.blob.Read(p)
	if w.err == nil {
		_, w.err = w.file.Write(p[:n])
	}
	return n, err
}

// Close removes what was not published.
func (w *keeper) Close() error {
	if w.file != nil {
		_ = w.file.Close()
		_ = os.Remove(w.file.Name())
	}
	return w.blob.Close()
}

// publish gives the file, which is complete, its name.
func (w *keeper) publish(path string) error {
	if w.err != nil {
		return w.err
	}
	if err := w.file.Close(); err != nil {
		return err
	}
	if err := os.Rename(w.file.Name(), path); err != nil {
		return err
	}
	w.file = nil
	return nil
}
