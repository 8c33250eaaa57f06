// SPDX-License-Identifier: Apache-2.0

package report_test

import (
	"bufio"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// browser is a Chromium without a screen, spoken to over a pipe in the protocol of its
// developer tools.
type browser struct {
	t       *testing.T
	in      io.Writer
	out     *bufio.Reader
	id      int
	session string
	// events are what it said since the page was opened.
	events []browserMessage
}

type browserMessage struct {
	ID     int             `json:"id"`
	Method string          `json:"method"`
	Params json.RawMessage `json:"params"`
	Result json.RawMessage `json:"result"`
	Error  *struct {
		Message string `json:"message"`
	} `json:"error"`
}

func startBrowser(t *testing.T) *browser {
	t.Helper()
	var path string
	err := exec.ErrNotFound
	for _, name := range []string{"chromium", "google-chrome", "chromium-browser"} {
		if path, err = exec.LookPath(name); err == nil {
			break
		}
	}
	if err != nil {
		if os.Getenv("OCIGATE_CI") != "" {
			t.Fatal("chromium is needed in this run: apt-get install chromium")
		}
		t.Skip("chromium is not installed")
	}
	ctx, cancel := context.WithTimeout(context.Background(), 4*time.Minute)
	toBrowser, in := pipe(t)
	out, fromBrowser := pipe(t)
	home := t.TempDir()
	cmd := exec.CommandContext(ctx, path, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars", "--no-first-run",
		"--disable-background-networking", "--disable-component-update", "--disable-default-apps", "--disable-sync", "--disable-extensions",
		"--remote-debugging-pipe", "--user-data-dir="+filepath.Join(home, "profile"), "about:blank")
	cmd.Env = append(os.Environ(), "HOME="+home)
	cmd.ExtraFiles = []*os.File{toBrowser, fromBrowser} // 3 and 4
	if err := cmd.Start(); err != nil {
		cancel()
		t.Fatal(err)
	}
	toBrowser.Close()
	fromBrowser.Close()
	t.Cleanup(func() {
		in.Close() // which ends it
		_ = cmd.Wait()
		cancel()
		out.Close()
	})
	b := &browser{t: t, in: in, out: bufio.NewReaderSize(out, 1<<20)}
	var target struct {
		TargetID  string `json:"targetId"`
		SessionID string `json:"sessionId"`
	}
	b.call("Target.createTarget", map[string]any{"url": "about:blank"}, &target)
	b.call("Target.attachToTarget", map[string]any{"targetId": target.TargetID, "flatten": true}, &target)
	b.session = target.SessionID
	for _, domain := range []string{"Page", "Runtime", "Network", "Log"} {
		b.call(domain+".enable", nil, nil)
	}
	return b
}

func pipe(t *testing.T) (r, w *os.File) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	return r, w
}

// call waits for the answer; what comes before it is kept as events.
func (b *browser) call(method string, params, result any) {
	b.t.Helper()
	b.id++
	m := map[string]any{"id": b.id, "method": method}
	if params != nil {
		m["params"] = params
	}
	if b.session != "" {
		m["sessionId"] = b.session
	}
	data, err := json.Marshal(m)
	if err != nil {
		b.t.Fatal(err)
	}
	if _, err := b.in.Write(append(data, 0)); err != nil {
		b.t.Fatalf("%s: %v", method, err)
	}
	for {
		m := b.read()
		if m.ID != b.id {
			continue
		}
		if m.Error != nil {
			b.t.Fatalf("%s: %s", method, m.Error.Message)
		}
		if result != nil {
			if err := json.Unmarshal(m.Result, result); err != nil {
				b.t.Fatalf("%s: %v", method, err)
			}
		}
		return
	}
}

func (b *browser) read() browserMessage {
	b.t.Helper()
	data, err := b.out.ReadBytes(0)
	if err != nil {
		b.t.Fatalf("chromium: %v", err)
	}
	var m browserMessage
	if err := json.Unmarshal(data[:len(data)-1], &m); err != nil {
		b.t.Fatal(err)
	}
	if m.Method != "" {
		b.events = append(b.events, m)
	}
	return m
}

// device is a screen that a page is shown on.
type device struct {
	name, scheme  string
	width, height int
}

// open shows a file and waits until it is loaded.
func (b *browser) open(path string, d device) {
	b.t.Helper()
	b.call("Emulation.setDeviceMetricsOverride", map[string]any{"width": d.width, "height": d.height, "deviceScaleFactor": 1, "mobile": d.width < 600}, nil)
	b.call("Emulation.setEmulatedMedia", map[string]any{"features": []any{map[string]string{"name": "prefers-color-scheme", "value": d.scheme}}}, nil)
	b.events = nil
	b.call("Page.navigate", map[string]any{"url": "file://" + path}, nil)
	for !b.has("Page.loadEventFired") {
		b.read()
	}
}

func (b *browser) has(method string) bool {
	for _, e := range b.events {
		if e.Method == method {
			return true
		}
	}
	return false
}

// eval runs a script in the page. The page's own policy does not concern it.
func eval[T any](b *browser, script string) T {
	b.t.Helper()
	var r struct {
		Result struct {
			Value T `json:"value"`
		} `json:"result"`
		Exception *struct {
			Text string `json:"text"`
		} `json:"exceptionDetails"`
	}
	b.call("Runtime.evaluate", map[string]any{"expression": script, "returnByValue": true, "awaitPromise": true}, &r)
	if r.Exception != nil {
		b.t.Fatalf("%s: %s", script, r.Exception.Text)
	}
	return r.Result.Value
}

// complaints are errors, warnings of the policy, and requests other than of the page itself.
func (b *browser) complaints(page string) []string {
	var list []string
	for _, e := range b.events {
		var p struct {
			Type    string `json:"type"`
			Request struct {
				URL string `json:"url"`
			} `json:"request"`
		}
		if err := json.Unmarshal(e.Params, &p); err != nil {
			b.t.Fatal(err)
		}
		switch e.Method {
		case "Log.entryAdded", "Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Page.javascriptDialogOpening", "Network.webSocketCreated":
			list = append(list, e.Method+" "+string(e.Params))
		case "Network.requestWillBeSent":
			if got, _, _ := strings.Cut(p.Request.URL, "#"); got != "file://"+page {
				list = append(list, "request of "+p.Request.URL)
			}
		}
	}
	return list
}

// keep writes pictures of the page, one below the other, to $OCIGATE_SCREENSHOTS, for people.
func (b *browser) keep(name string, d device) {
	b.t.Helper()
	const part, most = 1400, 12
	dir := os.Getenv("OCIGATE_SCREENSHOTS")
	if dir == "" {
		return
	}
	height := eval[int](b, "document.documentElement.scrollHeight")
	for i := 0; i < most && i*part < height; i++ {
		var shot struct {
			Data string `json:"data"`
		}
		clip := map[string]any{"x": 0, "y": i * part, "width": d.width, "height": min(part, height-i*part), "scale": 1}
		b.call("Page.captureScreenshot", map[string]any{"format": "png", "captureBeyondViewport": true, "clip": clip}, &shot)
		data, err := base64.StdEncoding.DecodeString(shot.Data)
		if err != nil {
			b.t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%s-%02d.png", name, i)), data, 0o600); err != nil {
			b.t.Fatalf("keep a picture: %v", err)
		}
	}
}
