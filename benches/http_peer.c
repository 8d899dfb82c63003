/* The other end of benches/http.py, and the floor under it: a server that answers from memory, and a client that does
 * what no client can leave out. `http_peer SERVE` prints its port; as a library, get() and drain() are the client. */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static const size_t BIG = 256u << 20, PIECE = 1 << 20;
static char *plain, *chunked;
static size_t chunked_length;

static int all(int fd, const char *bytes, size_t length) {
    while (length) {
        ssize_t sent = send(fd, bytes, length, MSG_NOSIGNAL);
        if (sent <= 0) return -1;
        bytes += sent;
        length -= (size_t)sent;
    }
    return 0;
}

static int answer(int fd, const char *target) {
    char small[256];
    if (!strncmp(target, "/big", 4)) {
        int length = snprintf(small, sizeof small, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n", BIG);
        if (all(fd, small, (size_t)length)) return -1;
        for (size_t sent = 0; sent < BIG; sent += PIECE)
            if (all(fd, plain, PIECE)) return -1;
        return 0;
    }
    if (!strncmp(target, "/gig", 4)) {
        int length = snprintf(small, sizeof small, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n", 4 * BIG);
        if (all(fd, small, (size_t)length)) return -1;
        for (size_t sent = 0; sent < 4 * BIG; sent += PIECE)
            if (all(fd, plain, PIECE)) return -1;
        return 0;
    }
    if (!strncmp(target, "/drip", 5)) {
        if (all(fd, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n", 40)) return -1;
        for (int sent = 0; sent < 100; sent++)
            if (usleep(10000), all(fd, "x", 1)) return -1;
        return 0;
    }
    if (!strncmp(target, "/chunks", 7)) {
        if (all(fd, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", 47)) return -1;
        for (size_t sent = 0; sent < BIG; sent += PIECE)
            if (all(fd, chunked, chunked_length)) return -1;
        return all(fd, "0\r\n\r\n", 5);
    }
    memset(small, 'x', sizeof small);
    int length = snprintf(small, sizeof small, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 100\r\n\r\n");
    memset(small + length, 'x', 100);
    return all(fd, small, (size_t)length + 100);
}

static void *serve(void *argument) {
    int fd = (int)(long)argument, have = 0;
    static __thread char buffer[65536];
    for (;;) {
        ssize_t got = recv(fd, buffer + have, sizeof buffer - 1 - (size_t)have, 0);
        if (got <= 0) break;
        have += (int)got;
        buffer[have] = 0;
        if (have < 4 || memcmp(buffer + have - 4, "\r\n\r\n", 4)) continue;
        char *target = strchr(buffer, ' ');
        if (!target || answer(fd, target + 1)) break;
        have = 0;
    }
    close(fd);
    return NULL;
}

int main(void) {
    plain = malloc(PIECE);
    memset(plain, 'x', PIECE);
    chunked = malloc(PIECE + (PIECE / 1024) * 16);
    for (size_t at = 0; at < PIECE; at += 1024) {
        memcpy(chunked + chunked_length, "400\r\n", 5);
        memset(chunked + chunked_length + 5, 'x', 1024);
        memcpy(chunked + chunked_length + 1029, "\r\n", 2);
        chunked_length += 1031;
    }
    int listener = socket(AF_INET, SOCK_STREAM, 0), one = 1;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    if (bind(listener, (struct sockaddr *)&address, length) || listen(listener, 128)) return 1;
    getsockname(listener, (struct sockaddr *)&address, &length);
    printf("%d\n", ntohs(address.sin_port));
    fflush(stdout);
    for (;;) {
        int fd = accept(listener, NULL, NULL);
        if (fd < 0) return 1;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        pthread_t thread;
        pthread_create(&thread, NULL, serve, (void *)(long)fd);
        pthread_detach(thread);
    }
}

/* One request and its small answer. */
int get(int fd) {
    static const char request[] = "GET /small HTTP/1.1\r\nHost: localhost\r\nAccept: */*\r\n\r\n";
    char buffer[4096];
    if (send(fd, request, sizeof request - 1, MSG_NOSIGNAL) <= 0) return -1;
    ssize_t have = 0;
    for (;;) {
        ssize_t got = recv(fd, buffer + have, sizeof buffer - (size_t)have, 0);
        if (got <= 0) return -1;
        have += got;
        char *end = memmem(buffer, (size_t)have, "\r\n\r\n", 4);
        if (end && have >= end - buffer + 4 + 100) return 0;
    }
}

/* One request and its large answer: into memory, or, with `step`, over and over into the same so many bytes. */
int drain(int fd, char *memory, size_t step) {
    static const char request[] = "GET /big HTTP/1.1\r\nHost: localhost\r\nAccept: */*\r\n\r\n";
    if (send(fd, request, sizeof request - 1, MSG_NOSIGNAL) <= 0) return -1;
    char head[4096];
    ssize_t got = recv(fd, head, sizeof head, 0);
    char *end = memmem(head, (size_t)got, "\r\n\r\n", 4);
    if (!end) return -1;
    size_t have = (size_t)(head + got - end - 4);
    memcpy(memory, end + 4, have);
    while (have < BIG) {
        size_t left = BIG - have;
        got = step ? recv(fd, memory, left < step ? left : step, 0) : recv(fd, memory + have, left, 0);
        if (got <= 0) return -1;
        have += (size_t)got;
    }
    return 0;
}
