package relaytest

import (
	"fmt"
	"io"
	"net"
	"strings"
	"time"
)

// The steps below are what a broken or hostile receiver does with a connection it
// has. Each ends when the other side has let go of it, so that a Target whose
// Close returns proves that nobody holds one.

// until keeps a connection until the other side has closed it.
func until(c net.Conn) { _, _ = io.Copy(io.Discard, c) }

// Hang takes the request and never answers.
func Hang() Step { return raw(until) }

// HalfClose takes the request and ends its own direction, without an answer.
func HalfClose() Step {
	return raw(func(c net.Conn) {
		if tcp, ok := c.(*net.TCPConn); ok {
			_ = tcp.CloseWrite()
		}
		until(c)
	})
}

// Say sends a text as it is and closes the connection.
func Say(text string) Step { return raw(func(c net.Conn) { _, _ = io.WriteString(c, text) }) }

// Trickle sends a text, then a byte of more at each turn, without end.
func Trickle(text, more string, turn time.Duration) Step {
	return raw(func(c net.Conn) {
		_, err := io.WriteString(c, text)
		for i := 0; err == nil; i++ {
			time.Sleep(turn)
			_, err = c.Write([]byte{more[i%len(more)]})
		}
	})
}

// Endless sends a text, then more as fast as it is taken, without end.
func Endless(text, more string) Step {
	return raw(func(c net.Conn) {
		_, err := io.WriteString(c, text)
		for more = strings.Repeat(more, 1+4096/len(more)); err == nil; {
			_, err = io.WriteString(c, more)
		}
	})
}

// Promise is the head of an answer with so many bytes of body.
func Promise(code, length int) string {
	return fmt.Sprintf("HTTP/1.1 %d Promised\r\nContent-Length: %d\r\n\r\n", code, length)
}
