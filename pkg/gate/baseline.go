// SPDX-License-Identifier: Apache-2.0

package gate

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/ocigate/ocigate/pkg/evidence"
	"github.com/ocigate/ocigate/pkg/image"
)

// baseline is the image that the sizes of others are compared with; nil for none.
type baseline struct {
	gate      *Gate
	reference string
	set       *image.Set
	err       error
}

// openBaseline opens the image once for all platforms.
func (g *Gate) openBaseline(ctx context.Context, reference string) *baseline {
	if reference == "" {
		return nil
	}
	b := &baseline{gate: g, reference: redact(reference)}
	g.progress("opening the baseline " + b.reference)
	b.set, b.err = g.Images.Open(ctx, reference)
	return b
}

func (b *baseline) close() {
	if b != nil && b.set != nil {
		_ = b.set.Close() // only read
	}
}

// measure says how large the baseline is for the subject of e. Compressed sizes are
// taken from the manifests, if both images have one; else the baseline's layers are read.
func (b *baseline) measure(ctx context.Context, e *evidence.Evidence) {
	if b == nil {
		return
	}
	out := &evidence.Baseline{Reference: b.reference}
	e.Baseline = out
	img, err := b.choose(e.Subject.Platform)
	if err != nil {
		out.Problem = err.Error()
		return
	}
	if !stored(e.Subject.Source) || !stored(img.Subject.Source) {
		b.gate.progress(fmt.Sprintf("measuring the baseline, %d layers", len(img.Layers)))
		out.Size, err = uncompressedSize(ctx, img)
	} else {
		out.CompressedSize, err = compressedSize(img)
	}
	if err != nil {
		out.Problem = err.Error()
	}
	// An export may have changed what a daemon said of the image.
	out.Layers, out.Digest = len(img.Layers), img.Subject.Digest
	if out.Digest == "" {
		out.Digest = img.Subject.ImageID
	}
	if len(img.Layers) == 0 && out.Problem == "" {
		out.Problem = "it has no layers"
	}
}

// choose finds the baseline's image for a platform.
func (b *baseline) choose(p evidence.Platform) (*image.Image, error) {
	if b.err != nil {
		return nil, b.err
	}
	i := slices.IndexFunc(b.set.Images, func(i *image.Image) bool { return i.Subject.Platform.Matches(p) })
	if i < 0 {
		return nil, fmt.Errorf("it has no image for the platform %s", p)
	}
	return b.set.Images[i], nil
}

// stored says whether a source has manifests, which say how large layers are as a
// registry stores them.
func stored(s evidence.Source) bool {
	return s == evidence.SourceRegistry || s == evidence.SourceOCI || s == evidence.SourceOCIArchive
}

func compressedSize(img *image.Image) (int64, error) {
	var sum int64
	for _, l := range img.Layers {
		if l.CompressedSize <= 0 || sum > maxBaseline-l.CompressedSize {
			return 0, errors.New("its manifest does not say how large its layers are")
		}
		sum += l.CompressedSize
	}
	return sum, nil
}

// maxBaseline bounds what is read to measure an image.
const maxBaseline = 256 << 30

// uncompressedSize reads every layer to its end, so that each is verified.
func uncompressedSize(ctx context.Context, img *image.Image) (int64, error) {
	if err := img.Export(ctx); err != nil {
		return 0, err
	}
	var sum int64
	for _, l := range img.Layers {
		r, err := l.Open(ctx)
		if err != nil {
			return 0, err
		}
		n, err := io.Copy(io.Discard, io.LimitReader(r, maxBaseline-sum+1))
		if err := errors.Join(err, r.Close()); err != nil {
			return 0, err
		}
		if sum += n; sum > maxBaseline {
			return 0, fmt.Errorf("its layers inflate to more than %d bytes", int64(maxBaseline))
		}
	}
	return sum, nil
}
