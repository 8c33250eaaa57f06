// SPDX-License-Identifier: Apache-2.0

// Package redistest runs a real redis-server for tests.
package redistest

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Server is a running redis-server on loopback.
type Server struct {
	// Addr is its host and port.
	Addr string
	// CAFile is whom to trust, where it speaks TLS.
	CAFile string
	cmd    *exec.Cmd
}

// Start runs a server until the test ends; args are options of redis-server. Where the
// program is not installed, the test is skipped; it fails where OCIGATE_CI is set.
func Start(t testing.TB, args ...string) *Server {
	t.Helper()
	return start(t, false, args)
}

// StartTLS runs a server that speaks nothing but TLS.
func StartTLS(t testing.TB, args ...string) *Server {
	t.Helper()
	return start(t, true, args)
}

func start(t testing.TB, secure bool, args []string) *Server {
	t.Helper()
	bin := find(t)
	dir := t.TempDir()
	s := &Server{}
	for range 5 { // another process may take the port in between
		port := freePort(t)
		s.Addr = net.JoinHostPort("127.0.0.1", port)
		all := []string{"--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", dir}
		if secure {
			var cert, key string
			cert, key, s.CAFile = certificates(t, dir)
			all = append(all, "--port", "0", "--tls-port", port, "--tls-cert-file", cert, "--tls-key-file", key, "--tls-ca-cert-file", s.CAFile, "--tls-auth-clients", "no")
		} else {
			all = append(all, "--port", port)
		}
		if s.cmd = run(t, bin, append(all, args...)); s.cmd != nil {
			t.Cleanup(s.Kill)
			return s
		}
	}
	t.Fatal("redis-server does not start")
	return nil
}

func find(t testing.TB) string {
	t.Helper()
	for _, name := range []string{"redis-server", "valkey-server"} {
		if bin, err := exec.LookPath(name); err == nil {
			return bin
		}
	}
	const missing = "redis-server is not installed (apt-get install redis-server)"
	if os.Getenv("OCIGATE_CI") != "" {
		t.Fatal(missing)
	}
	t.Skip(missing)
	return ""
}

func freePort(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// run waits until the server says that it is ready; nil if it ends before.
func run(t testing.TB, bin string, args []string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(bin, args...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ready := make(chan bool, 1)
	go func() {
		sc := bufio.NewScanner(out)
		for sc.Scan() {
			if strings.Contains(sc.Text(), "Ready to accept connections") {
				select {
				case ready <- true:
				default:
				}
			}
		}
		close(ready)
	}()
	if <-ready {
		return cmd
	}
	_ = cmd.Wait() // it said why on its output, and a port in use is the only expected reason
	return nil
}

// Kill ends the server as kill -9 does. It may be called twice.
func (s *Server) Kill() {
	_ = s.cmd.Process.Kill()
	_ = s.cmd.Wait()
}

// certificates writes a certificate for loopback, its key, and the authority's certificate.
func certificates(t testing.TB, dir string) (cert, key, ca string) {
	t.Helper()
	cert, key, ca = filepath.Join(dir, "server.pem"), filepath.Join(dir, "server.key"), filepath.Join(dir, "ca.pem")
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "redistest"},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(24 * time.Hour), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, k.Public(), k)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	certPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	keyPEM := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})
	if err := errors.Join(os.WriteFile(cert, certPEM, 0o600), os.WriteFile(ca, certPEM, 0o600), os.WriteFile(key, keyPEM, 0o600)); err != nil {
		t.Fatal(err)
	}
	return cert, key, ca
}
