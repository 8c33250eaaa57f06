// SPDX-License-Identifier: Apache-2.0

// Package sigstoretest is a local sigstore for tests.
package sigstoretest

import (
	_ "github.com/cyberphone/json-canonicalization/go/src/webpki.org/jsoncanonicalizer"
	_ "github.com/digitorus/timestamp"
	_ "github.com/go-openapi/runtime"
	_ "github.com/google/certificate-transparency-go"
	_ "github.com/google/certificate-transparency-go/tls"
	_ "github.com/google/certificate-transparency-go/x509"
	_ "github.com/google/certificate-transparency-go/x509util"
	_ "github.com/sigstore/cosign/v2/pkg/oci/mutate"
	_ "github.com/sigstore/cosign/v2/pkg/oci/remote"
	_ "github.com/sigstore/rekor/pkg/generated/models"
	_ "github.com/sigstore/rekor/pkg/types"
	_ "github.com/sigstore/rekor/pkg/types/dsse/v0.0.1"
	_ "github.com/sigstore/rekor/pkg/types/hashedrekord/v0.0.1"
	_ "github.com/sigstore/rekor/pkg/types/intoto/v0.0.1"
	_ "github.com/sigstore/rekor/pkg/types/intoto/v0.0.2"
	_ "github.com/sigstore/rekor/pkg/util"
	_ "github.com/sigstore/sigstore-go/pkg/sign"
	_ "github.com/sigstore/sigstore-go/pkg/testing/ca"
	_ "google.golang.org/protobuf/encoding/protojson"
)
