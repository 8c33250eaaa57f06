// SPDX-License-Identifier: Apache-2.0

package cli_test

import (
	"flag"
	"os"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/ocigate/ocigate/pkg/internal/sigstoretest"
)

// cosign CLIENT REFERENCE WHO [-bundle] [-type T] [-recursive] [-log] [-save DIR] [-blob FILE
// -out FILE]: has a real client, v2.6.5 or v3.1.2, sign or attest by digest, and save the
// image with its signatures; or sign a file. Scripts that use it are skipped without the clients.
func runCosign(ts *testscript.TestScript, _ bool, args []string) {
	w := worldOf(ts)
	var k sigstoretest.Kind
	fl := flag.NewFlagSet("cosign", flag.ContinueOnError)
	fl.BoolVar(&k.Bundle, "bundle", false, "")
	fl.BoolVar(&k.Recursive, "recursive", false, "")
	fl.StringVar(&k.Attest, "type", "", "")
	log, save, blob, out := fl.Bool("log", false, ""), fl.String("save", "", ""), fl.String("blob", "", ""), fl.String("out", "", "")
	ts.Check(fl.Parse(args[3:]))
	client, image := sigstoretest.Client(args[0]), digestOf(ts, args[1])
	client.Path(w.t)
	g := &sigstoretest.Signing{Stack: w.sigstore(), Host: image.RegistryStr(), Image: image, Key: w.keys[args[2]], Claims: sigstoretest.Email(args[2])}
	if k.Keyless = g.Key == nil; k.Keyless || *log {
		k.Log = sigstoretest.LogV1
	}
	if *blob != "" {
		b, err := g.SignBlob(w.t, client, k, []byte(ts.ReadFile(*blob)))
		ts.Check(err)
		ts.Check(os.WriteFile(ts.MkAbs(*out), b, 0o600))
		return
	}
	ts.Check(g.Sign(w.t, client, k))
	if *save != "" {
		dir, err := g.Save(w.t, client)
		ts.Check(err)
		ts.Check(os.CopyFS(ts.MkAbs(*save), os.DirFS(dir)))
	}
}

// replay FROM TO: hangs what is signed about one image on another.
func replay(ts *testscript.TestScript, _ bool, args []string) {
	sigstoretest.Replay(worldOf(ts).t, digestOf(ts, args[0]), digestOf(ts, args[1]))
}
