// SPDX-License-Identifier: Apache-2.0

package langpkg

import (
	"bytes"
	"context"
	"fmt"
	"io"

	ftypes "github.com/aquasecurity/trivy/pkg/fanal/types"
	xio "github.com/aquasecurity/trivy/pkg/x/io"

	"github.com/ocigate/ocigate/pkg/scan/analysis"
)

// licenceConfidence is from which confidence on a text is taken for a licence; it is
// the default of Trivy's command line.
const licenceConfidence = 0.9

// packageParser is what most of Trivy's parsers are.
type packageParser interface {
	Parse(context.Context, xio.ReadSeekerAt) ([]ftypes.Package, []ftypes.Dependency, error)
}

// parse runs one of Trivy's parsers. Some of them panic on what nobody writes in
// earnest; they run in goroutines here, out of reach of the caller's recover.
func parse(ctx context.Context, p packageParser, r xio.ReadSeekerAt) (pkgs []ftypes.Package, deps []ftypes.Dependency, err error) {
	defer recovered(&err)
	return p.Parse(ctx, r)
}

func recovered(err *error) {
	if p := recover(); p != nil {
		*err = fmt.Errorf("the parser panicked: %v", p)
	}
}

// content is the file's content at its beginning, from memory where it is there.
func content(f analysis.File) xio.ReadSeekerAt {
	if f.Data != nil {
		return bytes.NewReader(f.Data)
	}
	return f.Content
}

// readAll reads at most limit bytes; more of what is an error.
func readAll(r io.Reader, limit int64, what string) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(b)) > limit {
		return nil, fmt.Errorf("%s has more than %d bytes", what, limit)
	}
	return b, nil
}
